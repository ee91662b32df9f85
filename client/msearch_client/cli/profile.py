"""`profile`: measures a model on an agent and shows what came out."""

from __future__ import annotations

from typing import Annotated

import typer

from msearch_client import Client, Job, Load, Profiles, RunLimits
from msearch_client._loads import TRACE
from msearch_client.cli import options
from msearch_client.cli.figures import format_duration, profile_row
from msearch_client.cli.following import follow
from msearch_client.cli.output import count, print_json, print_line, print_table
from msearch_client.cli.verdicts import explain_all

NUMBERS = ("p50 ms", "p99 ms", "per s", "memory", "energy")


def profile(
    model: Annotated[
        str | None,
        typer.Argument(metavar="MODEL", help="Name, name@version, or id; left out with --remote or the backend null."),
    ] = None,
    *,
    backend: options.Backend = None,
    precision: options.OfPrecision = None,
    variant: options.OfVariant = None,
    load: Annotated[
        list[str] | None,
        typer.Option(
            "--load",
            metavar="LOAD",
            help="single_stream (default), multi_stream:8, offline, concurrency:4, server:100, server:100,gamma,cv=2, "
            "find_peak:20; batching adds ,batch=8,wait_ms=2; a simulated network ,rtt_ms=50,up_mbit=10,down_mbit=30; "
            "a p99 limit for goodput ,limit_ms=20; repeat.",
        ),
    ] = None,
    trace: Annotated[
        typer.FileText | None,
        typer.Option(
            "--trace", metavar="FILE", help="Arrival times in seconds, one a line, for loads such as server:0,trace."
        ),
    ] = None,
    repeats: Annotated[
        int | None, typer.Option("--repeats", metavar="N", min=1, max=100, help="At most this many runs each (5).")
    ] = None,
    min_duration: Annotated[
        float | None, typer.Option("--min-duration", metavar="SECONDS", help="A run lasts at least this long (2).")
    ] = None,
    max_duration: Annotated[
        float | None, typer.Option("--max-duration", metavar="SECONDS", help="A run is stopped after this long (60).")
    ] = None,
    min_queries: Annotated[
        int | None,
        typer.Option("--min-queries", metavar="N", min=1, help="A run has at least this many queries (662)."),
    ] = None,
    run_precision: Annotated[
        float | None,
        typer.Option(
            "--within", metavar="SHARE", help="Stop repeating once the p50 is known within plus or minus this (0.03)."
        ),
    ] = None,
    epsilon: Annotated[
        float | None,
        typer.Option("--epsilon", metavar="SHARE", help="Largest accuracy loss of an offered variant (0.01)."),
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", metavar="N", min=1, help="Of all that is drawn (1).")] = None,
    host_class: options.HostClass = "",
    label: Annotated[
        list[str] | None, typer.Option("--label", metavar="KEY=VALUE", help="Only agents with this label; repeat.")
    ] = None,
    remote: Annotated[
        str,
        typer.Option(
            "--remote",
            metavar="URL",
            help="Measure a running server instead: grpc://HOST:PORT/MODEL or http://HOST:PORT/MODEL, "
            "Open Inference Protocol.",
        ),
    ] = "",
    deadline: Annotated[
        float | None,
        typer.Option("--deadline", metavar="SECONDS", help="The job must end within this once an agent took it (900)."),
    ] = None,
    priority: Annotated[
        int, typer.Option("--priority", metavar="N", min=-100, max=100, help="Jobs of a higher one go first, always.")
    ] = 0,
    experiment: Annotated[
        str,
        typer.Option(
            "--experiment", metavar="ID", help="What the job belongs to; all its jobs run in one tier of agents."
        ),
    ] = "",
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Submit the job and return at once.")] = False,
    allow_waiting: Annotated[
        bool, typer.Option("--allow-waiting", help="Submit even if no registered agent could take the job now.")
    ] = False,
    server: options.Server = None,
    json: options.Json = False,
) -> None:
    """Measure a model: latency, throughput, memory, energy, for each variant under each load.

    An agent (`msearch-cli agent`) compiles each variant, verifies it, drives the load, and judges each run VALID or
    INVALID. Without --backend, --variant or --remote, fp32 of the usual backend is measured: onnxruntime for ONNX,
    torch for torch.export files. See docs/profiling.md.
    """
    variants = options.make_variants(backend, precision, variant, remote=bool(remote))
    if model is None and not remote and not any(item.backend in ("null", "remote") for item in variants):
        raise typer.BadParameter("give a model, or --remote URL, or --backend null")
    if any(item.backend == "remote" for item in variants) and not remote:
        raise typer.BadParameter("the backend remote needs --remote URL")
    loads = [parse_load(text, trace) for text in load or ["single_stream"]]
    limits = RunLimits(
        min_duration_s=positive("--min-duration", min_duration), min_queries=min_queries,
        max_duration_s=positive("--max-duration", max_duration), repeats=repeats,
        precision=positive("--within", run_precision), seed=seed, epsilon=positive("--epsilon", epsilon),
    )  # fmt: skip
    with Client(server) as client:
        job = client.submit_job(
            model, variants=variants, loads=loads, limits=limits, host_class=host_class,
            labels=dict(parse_label(text) for text in label or ()), remote_target=remote,
            deadline_s=positive("--deadline", deadline), allow_waiting=allow_waiting,
            priority=priority, experiment_id=experiment,
        )  # fmt: skip
        if no_wait:
            print_submitted(job, json=json)
            return
        measured = follow(client, job)
    print_profiles(measured, json=json)


def print_submitted(job: Job, *, json: bool) -> None:
    """A job that nobody waits for."""
    if json:
        print_json(job.to_dict())
        return
    print_line(f"submitted {job.id}")
    print_line(f"follow it with: msearch-cli jobs watch {job.id}")


def print_profiles(measured: Profiles, *, json: bool) -> None:
    """What a job measured, for people or as JSON."""
    if json:
        print_json(measured.to_dict())
        return
    job = measured.job
    took = format_duration(job.took)
    if job.spec.evaluate is not None:
        rows = count(job.spec.evaluate.row_count, "row")
        print_line(f"outputs of {job.model_name} on {rows} in {took}")
        return
    print_line(f"{count(len(measured), 'profile')} of {job.model_name or 'no model'}" + (f" in {took}" if took else ""))
    if measured.profiles:
        print_table(
            [profile_row(item) | {"profile": item.id} for item in measured],
            numbers=(*NUMBERS, "profile"),
            keys=("variant", "load"),
        )
    lines = list(explain_all(measured))
    if lines:
        print_line()
    for line in lines:
        print_line(line)


def parse_load(text: str, trace: typer.FileText | None) -> Load:
    """A load, with the arrival times of a file where it is driven by a trace."""
    load = options.read_load(text)
    if load.arrival != TRACE:
        return load
    if trace is None:
        raise typer.BadParameter(f"the load {text!r} needs --trace FILE")
    trace.seek(0)
    try:
        times = tuple(float(line) for line in trace if line.strip())
    except ValueError as error:
        raise typer.BadParameter(f"--trace {trace.name}: {error}") from None
    return Load(
        scenario=load.scenario, rate_per_s=load.rate_per_s, arrival=load.arrival, parameters=load.parameters,
        trace_s=times, batching=load.batching, p99_limit_ms=load.p99_limit_ms,
    )  # fmt: skip


def parse_label(text: str) -> tuple[str, str]:
    """Key and value of "key=value"."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise typer.BadParameter(f"--label must read KEY=VALUE, not {text!r}")
    return key.strip(), value.strip()


def positive(option: str, value: float | None) -> float | None:
    """The value, which must be above 0 where it is given."""
    if value is not None and not 0 < value < float("inf"):
        raise typer.BadParameter(f"{option} must be above 0, not {value:g}")
    return value

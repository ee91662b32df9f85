"""`profiles`: list what was measured, and show one profile whole."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from msearch_analysis.amounts import format_amount
from msearch_client import Client, Form, LocalError, Profile
from msearch_client._histograms import Histogram
from msearch_client.cli import latency_chart, options, plots
from msearch_client.cli.figures import describe, grouped, profile_row
from msearch_client.cli.output import (
    console,
    count,
    count_of,
    format_time,
    print_fields,
    print_json,
    print_line,
    print_note,
    print_table,
)
from msearch_client.cli.profile import NUMBERS
from msearch_client.cli.verdicts import explain

app = typer.Typer(help="What was measured.")


@app.command("list")
def list_profiles(
    *,
    model: Annotated[str | None, typer.Option("--model", metavar="MODEL", help="Keep profiles of this model.")] = None,
    backend: Annotated[str, typer.Option("--backend", metavar="NAME", help="Keep this backend.")] = "",
    load: Annotated[
        str | None, typer.Option("--load", metavar="LOAD", help="Keep this load, as in server:100.")
    ] = None,
    host_class: options.HostClass = "",
    job: Annotated[str | None, typer.Option("--job", metavar="ID", help="Keep profiles of this job.")] = None,
    include_invalid: Annotated[bool, typer.Option("--all", help="Also INVALID profiles.")] = False,
    limit: options.Limit = 50,
    server: options.Server = None,
    json: options.Json = False,
) -> None:
    """List profiles, newest first; those that do not count only with --all."""
    with Client(server) as client:
        found = client.list_profiles(
            model=model, backend=backend, host_class=host_class, job=job, include_invalid=include_invalid,
            load=None if load is None else options.read_load(load),
        )  # fmt: skip
        shown = list(islice(found, limit))
        total = found.total
    if json:
        print_json({"profiles": [profile.to_dict() for profile in shown], "total": total})
        return
    if shown:
        rows = [
            profile_row(profile, model=True)
            | {"host class": profile.host_class, "measured": format_time(profile.created_at), "profile": profile.id}
            for profile in shown
        ]
        # An id is no number, but it must not be cut or folded either: people copy it.
        print_table(
            rows, numbers=(*NUMBERS, "profile"), wide=("host class", "measured"), keys=("model", "variant", "load")
        )
    hint = "" if shown or include_invalid else "; those that are INVALID are listed with --all"
    print_line(count_of(len(shown), total, "profile") + hint)


@app.command()
def show(
    profile: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="Id of the profile; the newest valid one if left out.")
    ] = None,
    *,
    plot: Annotated[
        Path | None,
        typer.Option("--plot", metavar="FILE", help="Also draw it: FILE.png, FILE.svg, or FILE.html (self-contained)."),
    ] = None,
    server: options.Server = None,
    json: options.Json = False,
) -> None:
    """Show a profile whole: latency histogram, percentiles with intervals, parts, energy with its source, runs."""
    if plot is not None and plot.suffix.lower() not in plots.SUFFIXES:
        raise typer.BadParameter(f"--plot must end with {', '.join(plots.SUFFIXES)}, not {plot.name!r}")
    with Client(server) as client:
        found = client.get_profile(profile or _newest(client))
    if plot is not None:
        plots.write(found, plot)
    if json:
        print_json(found.to_dict() | ({"plot": str(plot)} if plot else {}))
        return
    print_profile(found)
    if plot is not None:
        print_line(f"wrote {plot}")


def _newest(client: Client) -> str:
    newest = next(iter(client.list_profiles(page_size=1)), None)
    if newest is None:
        raise LocalError(
            "no valid profile is stored yet",
            hint="measure a model with `msearch-cli profile MODEL`, or see `msearch-cli profiles list --all`",
        )
    return newest.id


def print_profile(profile: Profile) -> None:
    """A profile for people."""
    print_fields(
        {
            "profile": profile.id,
            "model": profile.model_name or "none",
            "variant": str(profile.variant),
            "load": profile.load_text,
            "verdict": profile.verdict.value + _runs(profile),
            "offer": f"{profile.offer}: {profile.offer_reason.removeprefix(f'{profile.offer}: ')}".rstrip(": "),
            "verified on": _verified(profile),
            "loaded": _loaded(profile.form),
            "host class": profile.host_class,
            "measured": format_time(profile.created_at) + (f" by job {profile.job_id}" if profile.job_id else ""),
            "libraries": ", ".join(f"{name} {version}" for name, version in profile.versions.items()),
        }
    )
    for line in explain(profile):
        if not line.startswith("rejected"):
            print_line(line)
    _print_chart(profile)
    for title, measurements in grouped(profile):
        print_line()
        print_line(title)
        print_fields({f"  {item.name}": describe(item) for item in measurements})
    _print_runs(profile)


def _runs(profile: Profile) -> str:
    if not profile.runs:
        return ""
    valid = sum(run.verdict.value == "VALID" for run in profile.runs)
    return f" ({valid} of {count(len(profile.runs), 'run')} valid)"


def _verified(profile: Profile) -> str:
    words = {"sample": "stored rows of the source dataset", "generated": "generated inputs"}
    return words.get(profile.verified_on, profile.verified_on)


def _loaded(form: Form | None) -> str:
    """The file that the runtime loaded; empty where the agent did not say."""
    if form is None:
        return ""
    words = [form.format, format_amount(form.size_bytes, "bytes"), f"sha256 {form.digest[:12]}"]
    words += [f"for {value}" for value in form.bound_to.values()]
    return ", ".join([*words, *(["kept for export"] if form.kept else [])])


def _print_chart(profile: Profile) -> None:
    if not profile.histogram:
        return
    try:
        histogram = Histogram.decode(profile.histogram)
    except LocalError as error:
        print_note(f"note: {error.message}" + (f" ({error.hint})" if error.hint else ""))
        return
    if not histogram.buckets:
        return
    print_line()
    print_line(f"latency of {count(histogram.count, 'request')}, ms")
    marks = {name: value for name in ("p50", "p90", "p99") if (value := profile.value(f"{name}_ms")) is not None}
    for line in latency_chart.draw(histogram, width=min(console().width, 100), marks=marks):
        print_line(line)


def _print_runs(profile: Profile) -> None:
    if not profile.runs:
        return
    print_line()
    print_line("runs, each in a process of its own")
    rows = [
        {
            "run": str(number),
            "verdict": run.verdict.value,
            "p50": format_amount(run.value("p50_ms"), "ms"),
            "p99": format_amount(run.value("p99_ms"), "ms"),
            "throughput": format_amount(run.value("throughput_per_s"), "1/s"),
            "reasons": ", ".join(reason.rule for reason in run.reasons),
        }
        for number, run in enumerate(profile.runs, 1)
    ]
    print_table(rows, numbers=("run", "p50", "p99", "throughput"), keys=("run",))

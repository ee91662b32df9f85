"""The program: `msearch-agent [run] --server HOST:PORT`, `msearch-agent probe`, `msearch-agent version`."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Annotated, Any

import grpc
import structlog
import typer

from msearch_running.models import available_formats
from profiler_agent import wire
from profiler_agent.agent import Agent, Facts
from profiler_agent.artifacts import ArtifactCache
from profiler_agent.backends.base import Probe
from profiler_agent.connection import Connection, describe
from profiler_agent.errors import JobError
from profiler_agent.executor import Executor
from profiler_agent.host import fingerprint, host_class, measure_peaks, measured_devices
from profiler_agent.isolation import ChildLimits, probe_isolation, run_child
from profiler_agent.logs import configure_logs
from profiler_agent.measuring.messages import load
from profiler_agent.settings import Settings, SettingsError, TlsFiles, read_settings

COMMANDS = ("run", "probe", "version")
PROBE = "profiler_agent.measuring.tasks:probe_backends"
PROBE_DEADLINE_S = 120.0

_log = structlog.get_logger()

app = typer.Typer(
    name="msearch-agent",
    help="The profiler agent of msearch: measures models on this host for a search service.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.command()
def run(  # noqa: PLR0917 - options, not arguments
    server: Annotated[str | None, typer.Option(help="host:port of the service; default: MSEARCH_SERVER.")] = None,
    name: Annotated[str | None, typer.Option(help="Unique name; default: the host's name.")] = None,
    label: Annotated[list[str] | None, typer.Option(help="KEY=VALUE for placement; repeat for several.")] = None,
    capacity: Annotated[int, typer.Option(min=1, help="Jobs side by side; runs never share a device.")] = 1,
    data_dir: Annotated[Path | None, typer.Option(help="Caches and job folders (~/.cache/msearch-agent).")] = None,
    token: Annotated[str | None, typer.Option(help="Bearer token; better MSEARCH_TOKEN or --token-file.")] = None,
    token_file: Annotated[Path | None, typer.Option(help="File that holds the token.")] = None,
    tls: Annotated[bool, typer.Option("--tls", help="Connect with TLS; implied by the files below.")] = False,
    tls_ca: Annotated[Path | None, typer.Option(help="PEM of the authority that signed the service.")] = None,
    tls_cert: Annotated[Path | None, typer.Option(help="PEM of this agent's certificate, for mutual TLS.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="PEM of its key.")] = None,
    insecure_token: Annotated[
        bool, typer.Option("--insecure-token", help="Send the token without TLS beyond loopback.")
    ] = False,
    price_table: Annotated[Path | None, typer.Option(help="Price and carbon table (TOML) of your own.")] = None,
    artifact_root: Annotated[
        Path | None, typer.Option(help="Folder below which file:// artifacts may be read.")
    ] = None,
    allow_remote_target: Annotated[
        list[str] | None,
        typer.Option(
            metavar="HOST", help="Host beside loopback that remote jobs may send load to; repeat for several."
        ),
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="End after one job.")] = False,
    idle_exit: Annotated[float, typer.Option(help="End after so many seconds without a job; 0 never.")] = 0.0,
    release_on_stop: Annotated[
        bool, typer.Option("--release-on-stop", help="Give a running job back on SIGTERM instead of finishing it.")
    ] = False,
    grace: Annotated[
        float, typer.Option(min=0, help="Seconds after SIGTERM until a running job is given back; 0 finishes it.")
    ] = 0.0,
    largest_form: Annotated[
        int,
        typer.Option(
            min=0,
            metavar="MIB",
            help="Have the service keep what is made for variants worth deploying, up to this size; 0 for nothing.",
        ),
    ] = 1024,
    ready_file: Annotated[
        Path | None, typer.Option(help="Write the agent's id into this file once it is registered.")
    ] = None,
    log_format: Annotated[str | None, typer.Option(help="console or json.")] = None,
) -> None:
    """Take jobs until SIGTERM or Ctrl-C, which lets the running one finish; a second one gives it back."""
    with _explained():
        settings = read_settings(
            server=server,
            name=name,
            labels=label or (),
            capacity=capacity,
            data_dir=data_dir,
            token=token,
            token_file=token_file,
            tls=tls,
            tls_files=TlsFiles(authority=tls_ca, certificate=tls_cert, key=tls_key),
            price_table=price_table,
            artifact_root=artifact_root,
            once=once,
            idle_exit_s=idle_exit,
            release_on_stop=release_on_stop,
            grace_s=grace,
            largest_form_mib=largest_form,
            log_format=log_format,
        )
        configure_logs(settings.log_format)
        if allow_remote_target:
            # The children that send the load read it from there.
            os.environ["MSEARCH_ALLOWED_REMOTE_TARGETS"] = ",".join(allow_remote_target)
        with _only_one(settings):
            _serve(settings, ready_file, insecure_token=insecure_token)


@app.command()
def probe(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")] = False,
) -> None:
    """Say what this host is and which backends it offers, and why it lacks others."""
    host, backends = _describe_host(), _probe_backends()
    if as_json:
        found = {
            name: {
                "available": one.available,
                "detail": one.detail,
                "version": one.version,
                "devices": list(one.devices),
                "precisions": [precision.value for precision in one.precisions],
            }
            for name, one in backends.items()
        }
        document = {"host_class": host_class(host), "host": host, "backends": found, "evaluates": available_formats()}
        typer.echo(json.dumps(document, indent=2))
        return
    typer.echo(f"host class {host_class(host)}")
    for name, one in backends.items():
        offers = f"{', '.join(one.devices)}: {', '.join(one.precisions)}" if one.available else one.detail
        mark = "yes" if one.available else "no "
        typer.echo(f"  {mark} {name:<12} {one.version:<12} {offers}".rstrip())
    typer.echo(f"  evaluates models of the formats {', '.join(available_formats()) or 'none'}")
    for name, status in host["isolation"].items():
        typer.echo(f"  isolation of {name}: {status}")
    for one in host["peaks"]:
        threads = f"{one['threads']} thread" + ("s" if one["threads"] > 1 else "")
        typer.echo(
            f"  at most {one['gflop_per_s']:.3g} GFLOP/s and {one['gb_per_s']:.3g} GB/s with {threads}, measured"
        )


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(_version())


def main() -> None:
    """Entry point of the script `msearch-agent`. Without a command it runs."""
    words = sys.argv[1:]
    if words and words[0] not in COMMANDS and words[0] not in ("--help", "-h"):
        words = ["run", *words]
    app(words, prog_name="msearch-agent")


def _serve(settings: Settings, ready_file: Path | None, *, insecure_token: bool) -> None:
    host, backends = _describe_host(), _probe_backends()
    described, class_of_host = json.dumps(host, sort_keys=True), host_class(host)
    facts = Facts(
        description=wire.write_agent(
            name=settings.name,
            host_class=class_of_host,
            host_json=described,
            backends=backends,
            labels=settings.labels,
            capacity=settings.capacity,
            version=_version(),
            evaluates=available_formats(),
            devices=measured_devices(_accelerators(backends)),
        ),
        host_class=class_of_host,
        host_json=described,
    )
    executor = Executor(
        cache=ArtifactCache(settings.artifacts, settings.cache_bytes),
        compiled=settings.compiled,
        work=settings.work,
        host_class=class_of_host,
        compiled_bytes=settings.cache_bytes,
        largest_form_bytes=settings.largest_form_bytes,
        host_memory_bytes=host["memory"]["usable_bytes"],
        price_table=settings.price_table,
        external_root=settings.artifact_root,
    )
    executor.clear()
    connection = Connection(settings, insecure_token=insecure_token)
    agent = Agent(
        connection,
        executor,
        facts,
        capacity=settings.capacity,
        once=settings.once,
        idle_exit_s=settings.idle_exit_s,
        release_on_stop=settings.release_on_stop,
        grace_s=settings.grace_s,
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: threading.Thread(target=agent.stop, daemon=True).start())
    _log.info(
        "agent_started",
        server=settings.server,
        name=settings.name,
        pid=os.getpid(),
        backends=[name for name, one in backends.items() if one.available],
    )
    try:
        if agent.register():
            if ready_file is not None:
                _write_atomically(ready_file, agent.id)
            agent.run()
    finally:
        connection.close()
        if ready_file is not None:
            ready_file.unlink(missing_ok=True)


@contextmanager
def _only_one(settings: Settings) -> Iterator[None]:
    """Of two agents with one name and folder each would clear the other's jobs away. The lock dies with its holder."""
    settings.work.mkdir(parents=True, exist_ok=True)
    with settings.work.with_name(f"{settings.work.name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SettingsError(
                f"an agent {settings.name} runs already with {settings.data_dir}: choose another --name or --data-dir"
            ) from None
        yield


def _describe_host() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        isolation = probe_isolation(Path(folder))
    return {**fingerprint(), "peaks": measure_peaks(), "isolation": isolation}


def _accelerators(backends: Mapping[str, Probe]) -> set[str]:
    """Devices of this host beside its CPUs, such as "cuda:0"; what a remote server runs on is none of them."""
    local = [probe for name, probe in backends.items() if probe.available and name != "remote"]
    return {device for probe in local for device in probe.devices if device != "cpu"}


def _probe_backends() -> dict[str, Probe]:
    """In a child: importing every runtime here would cost half a gigabyte for as long as the agent lives."""
    with tempfile.TemporaryDirectory() as folder:
        limits = ChildLimits(workspace=Path(folder), deadline_s=PROBE_DEADLINE_S)
        found = run_child(PROBE, {}, limits=limits, cancelled=threading.Event())
    return {name: load(Probe, one) for name, one in found.items()}


def _version() -> str:
    try:
        return installed_version("msearch")
    except PackageNotFoundError:
        return "checkout"


def _write_atomically(path: Path, text: str) -> None:
    unfinished = path.with_name(f"{path.name}.{os.getpid()}")
    unfinished.write_text(f"{text}\n", encoding="utf-8")
    unfinished.replace(path)


@contextmanager
def _explained() -> Iterator[None]:
    """Ends with a message instead of a traceback for what the user can put right."""
    try:
        yield
    except (SettingsError, JobError, OSError) as error:
        typer.echo(f"msearch-agent: {error}", err=True)
        sys.exit(1)
    except grpc.RpcError as error:
        typer.echo(f"msearch-agent: the service refused this agent: {describe(error)}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()

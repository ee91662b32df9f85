"""The program: `msearch-service serve | migrate | token | version`. Chooses the adapters, hands them to the service."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated
from urllib.parse import unquote

import grpc
import structlog
import typer
from threadpoolctl import threadpool_limits

from search_service.api.logs import configure_logs
from search_service.api.service import Service, open_access
from search_service.api.token_commands import token_commands
from search_service.artifacts.cards import Cards
from search_service.artifacts.graph_counting import GraphCounter
from search_service.artifacts.spooling import SpooledInspection
from search_service.benchmarking.canonical_models import GeneratedModels
from search_service.benchmarking.optimiser import OptunaOptimiser
from search_service.domain.errors import DomainError
from search_service.domain.ports import Database
from search_service.index import InvertedIndex
from search_service.scores import find_scores
from search_service.settings import Settings, SettingsError, check_exposure, read_settings
from search_service.storage import migrate as migrate_database
from search_service.storage import open_blob_store, open_database
from search_service.usecases.tokens import Access

_log = structlog.get_logger()

app = typer.Typer(
    name="msearch-service",
    help="The search service of msearch. Every option can also be set by a variable that begins with MSEARCH_.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

DatabaseOption = Annotated[
    str | None, typer.Option(help="sqlite:///PATH or postgresql://...; by default a file in the data folder.")
]
DataDirOption = Annotated[
    Path | None, typer.Option(help="Folder of the default database and blob store (~/.local/share/msearch).")
]


@app.command()
def serve(  # noqa: PLR0917 - options, not arguments
    listen: Annotated[str | None, typer.Option(help="host:port; port 0 takes a free one (127.0.0.1:50051).")] = None,
    database: DatabaseOption = None,
    blobs: Annotated[str | None, typer.Option(help="Folder, file:///PATH or s3://BUCKET/PREFIX.")] = None,
    data_dir: DataDirOption = None,
    migrate: Annotated[bool, typer.Option("--migrate", help="Migrate the database first if it needs it.")] = False,
    ready_file: Annotated[
        Path | None, typer.Option(help="Write the bound address into this file once calls are answered.")
    ] = None,
    tls_cert: Annotated[Path | None, typer.Option(help="PEM file of the certificate and its chain.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="PEM file of its private key.")] = None,
    tls_client_ca: Annotated[
        Path | None, typer.Option(help="PEM file: only callers with a certificate of these authorities connect.")
    ] = None,
    require_tokens: Annotated[
        str | None,
        typer.Option(help="always, never or auto (default): beyond loopback, or once a token was ever created."),
    ] = None,
    insecure_listen_anywhere: Annotated[
        bool,
        typer.Option(
            "--insecure-listen-anywhere",
            help="Allow an address that other machines reach without TLS and without a sign-in.",
        ),
    ] = False,
) -> None:
    """Serve until SIGTERM or Ctrl-C, then let the calls in progress finish."""
    with _explained():
        settings = read_settings(
            listen=listen,
            database=database,
            blobs=blobs,
            data_dir=data_dir,
            listen_tls_cert=tls_cert,
            listen_tls_key=tls_key,
            listen_tls_client_ca=tls_client_ca,
            require_tokens=require_tokens,
        )
        settings = check_exposure(settings, insecure_anywhere=insecure_listen_anywhere)
        configure_logs(settings.log_format, settings.log_level)
        _make_incoming(settings.data_dir)
        if migrate or _is_new_sqlite(settings.database):
            migrate_database(settings.database)
        _run(settings, ready_file)


@app.command()
def migrate(database: DatabaseOption = None, data_dir: DataDirOption = None) -> None:
    """Bring the database to the schema that this version needs; creates a SQLite file."""
    with _explained():
        settings = read_settings(database=database, data_dir=data_dir)
        migrate_database(settings.database)
        typer.echo("the database is up to date")


@app.command("version")
def show_version() -> None:
    """Print the version."""
    try:
        typer.echo(version("msearch"))
    except PackageNotFoundError:
        typer.echo("not installed: running from a checkout")


def main() -> None:
    """Entry point of the script `msearch-service`."""
    app()


def build_service(settings: Settings, database: Database, handlers: Sequence[grpc.GenericRpcHandler] = ()) -> Service:
    """The service with the adapters that the settings name. `handlers` answer further gRPC methods."""
    incoming = _make_incoming(settings.data_dir)
    blobs = open_blob_store(settings.blobs)
    return Service(
        settings,
        database=database,
        blobs=blobs,
        index=InvertedIndex(),
        scores=find_scores(),
        cards=Cards(),
        inspect=lambda: SpooledInspection(incoming),
        canonical_models=GeneratedModels(),
        optimiser=OptunaOptimiser(),
        count_graphs=GraphCounter(blobs, incoming),
        handlers=handlers,
    )


def _run(settings: Settings, ready_file: Path | None) -> None:
    if ready_file is not None:
        with _usable("ready file", ready_file, "--ready-file"):
            ready_file.unlink(missing_ok=True)  # of a process that was killed
    # Calls run side by side already; threads within one would only take the cores from the others.
    threadpool_limits(1, user_api="blas")
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    database = open_database(settings.database)
    try:
        service = build_service(settings, database)
        service.start()
        _log.info("service_started", address=service.address, pid=os.getpid())
        if ready_file is not None:
            with _usable("ready file", ready_file, "--ready-file"):
                _write_atomically(ready_file, service.address)
        stopped.wait()
        _log.info("service_stopping", grace_s=settings.grace_s)
        service.stop()
        _log.info("service_stopped")
    finally:
        database.close()
        if ready_file is not None:
            ready_file.unlink(missing_ok=True)


def _make_incoming(data_dir: Path) -> Path:
    """The folder for artifacts on their way in."""
    incoming = data_dir / "incoming"
    with _usable("data folder", data_dir, "--data-dir or MSEARCH_DATA_DIR"):
        incoming.mkdir(parents=True, exist_ok=True)
    return incoming


def _is_new_sqlite(url: str) -> bool:
    """Whether the database is a SQLite file that does not exist yet or is empty: nothing there can be harmed."""
    scheme, _, path = url.partition(":///")
    if not scheme.startswith("sqlite") or not path:
        return False
    file = Path(unquote(path.partition("?")[0]))
    return not file.exists() or file.stat().st_size == 0


def _write_atomically(path: Path, text: str) -> None:
    """Whoever waits for the file reads all of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.{os.getpid()}")
    unfinished.write_text(f"{text}\n")
    unfinished.replace(path)


@contextmanager
def _access(url: str | None, data_dir: Path | None) -> Iterator[Access]:
    """Tokens of the database that the options or the variables name; a new SQLite file is made and migrated."""
    with _explained():
        settings = read_settings(database=url, data_dir=data_dir)
        if _is_new_sqlite(settings.database):
            migrate_database(settings.database)
        database = open_database(settings.database)
        try:
            yield open_access(database)
        finally:
            database.close()


@contextmanager
def _usable(purpose: str, path: Path, setting: str) -> Iterator[None]:
    """Says what a path is for, and how to change it, where the system refuses it."""
    try:
        yield
    except OSError as error:
        problem = f"the {purpose} {path} cannot be used ({error.strerror}): name another with {setting}"
        raise SettingsError(problem) from error


@contextmanager
def _explained() -> Iterator[None]:
    """Ends with a message instead of a traceback for what the user can put right."""
    try:
        yield
    except (SettingsError, DomainError, OSError) as error:
        typer.echo(f"msearch-service: {error}", err=True)
        sys.exit(1)


app.add_typer(token_commands(_access))

if __name__ == "__main__":
    main()

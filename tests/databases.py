"""Real databases for tests: a SQLite file and a PostgreSQL server, both migrated by the project's own migrations."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from benchmarks.databases import postgres_server
from search_service.storage.engines import make_engine
from search_service.storage.schema import migrate
from search_service.storage.tables import change_counter, metadata


@contextmanager
def running_postgres() -> Iterator[str]:
    """Starts a PostgreSQL server on a Unix socket and gives its URL; stops it afterwards."""
    with postgres_server() as server:
        # The tests need no data after a power failure.
        server.psql("ALTER SYSTEM SET fsync = off; SELECT pg_reload_conf();")
        yield server.get_uri(driver="psycopg")


class RestartablePostgres:
    """A PostgreSQL server of its own, which a test may stop and start."""

    def __init__(self, server: Any) -> None:
        self._server = server
        self.url: str = server.get_uri(driver="psycopg")

    def stop(self) -> None:
        """Cuts all connections; what is not committed is undone."""
        self._server.stop()

    def start(self) -> None:
        """On the same data and socket."""
        self._server.start()


@contextmanager
def restartable_postgres() -> Iterator[RestartablePostgres]:
    """Starts a PostgreSQL server that is nobody else's; removes it afterwards."""
    with postgres_server() as server:
        yield RestartablePostgres(server)


def empty(url: str) -> None:
    """Empties every table of a migrated PostgreSQL database."""
    engine = make_engine(url)
    with engine.begin() as connection:
        names = ", ".join(table.name for table in metadata.sorted_tables)
        connection.exec_driver_sql(f"TRUNCATE {names} RESTART IDENTITY CASCADE")
        connection.execute(sa.insert(change_counter), {"id": 1, "value": 0})
    engine.dispose()


def sqlite_copy(template: Path, folder: Path) -> str:
    """A fresh copy of an empty migrated SQLite file, as a URL."""
    path = folder / "msearch.db"
    shutil.copy(template, path)
    return f"sqlite:///{path}"


def migrated_sqlite(path: Path) -> Path:
    """Makes an empty migrated SQLite file."""
    migrate(f"sqlite:///{path}")
    return path

"""SQLAlchemy engines, set up for how msearch uses SQLite and PostgreSQL.

SQLite: the driver opens no transactions by itself (`isolation_level=None`); `session` begins each writing one with
BEGIN IMMEDIATE, so that it never has to upgrade a read lock and fail. WAL lets readers, also of other processes, go on
meanwhile. With synchronous=NORMAL a power failure may cost the last commits, but never the file.
PostgreSQL: READ COMMITTED; waits for locks are bounded, and a connection is tested before it is lent.
"""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from sqlite3 import Connection as SqliteConnection
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

from search_service.domain.errors import InvalidArgument

LOCK_TIMEOUT_S = 10
"""How long a statement waits for another transaction before the caller is told to retry."""

_POOL: dict[str, Any] = {"pool_size": 16, "max_overflow": 48, "pool_timeout": LOCK_TIMEOUT_S}
_PRAGMAS = (
    "synchronous=NORMAL",
    "foreign_keys=ON",
    "cache_size=-16384",  # 16 MiB, for each connection
    "temp_store=MEMORY",
)


def masked(url: str) -> str:
    """The URL as it may be shown: *** in place of the password."""
    try:
        parsed = sa.make_url(url)
        hidden = {key: "***" for key in parsed.query if "password" in key}
        return parsed.update_query_dict(hidden).render_as_string(hide_password=True)
    except (sa.exc.ArgumentError, ValueError):
        return "(not a URL)"


def parse_url(url: str) -> sa.URL:
    """Raises InvalidArgument unless it is sqlite:///PATH or postgresql[+psycopg]://..."""
    try:
        parsed = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError):
        raise InvalidArgument(
            "the database URL cannot be read: it must be sqlite:///PATH or postgresql://USER@HOST/NAME"
        ) from None
    if parsed.drivername in ("postgresql", "postgres"):
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername not in ("sqlite", "sqlite+pysqlite", "postgresql+psycopg"):
        raise InvalidArgument(f"database {masked(url)!r} is neither sqlite:///PATH nor postgresql://USER@HOST/NAME")
    if parsed.drivername.startswith("sqlite") and parsed.database in (None, "", ":memory:"):
        raise InvalidArgument("a SQLite database must be a file, as in sqlite:///msearch.db")
    return parsed


def sqlite_path(url: sa.URL) -> Path | None:
    """The file of a SQLite database, None for PostgreSQL."""
    return Path(url.database or "") if url.drivername.startswith("sqlite") else None


def make_engine(url: str) -> sa.Engine:
    """An engine for a database URL; connects to nothing yet.

    Raises:
        InvalidArgument: the URL is of no database that msearch supports, or its driver is not installed.
    """
    parsed = parse_url(url)
    if sqlite_path(parsed) is None:
        arguments = {"connect_timeout": 10, "application_name": "msearch"}
        try:
            engine = sa.create_engine(parsed, connect_args=arguments, pool_pre_ping=True, **_POOL)
        except ModuleNotFoundError:
            raise InvalidArgument("PostgreSQL needs its driver: pip install 'msearch[postgres]'") from None
        sa.event.listen(engine, "connect", _prepare_postgresql)
        return engine
    engine = sa.create_engine(
        parsed,
        connect_args={"timeout": LOCK_TIMEOUT_S, "isolation_level": None, "check_same_thread": False},
        **_POOL,
    )
    sa.event.listen(engine, "connect", _prepare_sqlite)
    return engine


def _prepare_postgresql(connection: DBAPIConnection, entry: ConnectionPoolEntry) -> None:
    del entry
    # Not as a start-up option: PgBouncer refuses those.
    cursor = connection.cursor()
    cursor.execute(f"SET lock_timeout = '{LOCK_TIMEOUT_S}s'")
    cursor.close()
    connection.commit()


def _prepare_sqlite(connection: SqliteConnection, entry: ConnectionPoolEntry) -> None:
    del entry
    _switch_to_wal(connection)
    for pragma in _PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")


def _switch_to_wal(connection: SqliteConnection) -> None:
    """Does nothing in a file that is in WAL already; in a new one it waits here, because SQLite's own wait does not."""
    deadline = time.monotonic() + LOCK_TIMEOUT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
            if not busy or time.monotonic() > deadline:
                raise
            time.sleep(0.01)

"""One transaction on one connection: what the SQL stores run their statements through.

Reads see what is committed when the statement begins, on both engines. On SQLite nothing is locked before the first
write; that one takes the write lock, from where on reads and writes see one state. Checks that guard a write must
therefore run through `lock_rows`, which begins the write first.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from search_service.storage import refusals
from search_service.storage.driver_errors import DRIVER_ERRORS, domain_error, translated
from search_service.storage.engines import LOCK_TIMEOUT_S

_HOLD = sa.select(sa.func.pg_advisory_xact_lock(sa.bindparam("key", type_=sa.BigInteger)))

Values = Mapping[str, Any]
Row = sa.Row[Any]

BATCH_ROWS = 500
"""Rows that a scan holds at once; with signatures of 60 KB that is 30 MB."""

IN_LIST = 1000
"""Values of one IN list; SQLite binds at most 32,766."""


class Session:
    """Opens its connection with the first statement. `write_lock` queues the writers of this process on SQLite."""

    def __init__(self, engine: sa.Engine, write_lock: threading.Lock) -> None:
        self._engine = engine
        self._write_lock = write_lock
        self._connection: sa.Connection | None = None
        self._writing = False
        self._holds_lock = False
        self._failed = False
        self._ended = False
        self._changes: list[tuple[str, str]] = []
        self.dialect = engine.dialect.name

    def begin_writing(self) -> None:
        """Takes the write lock, on SQLite; harmless when repeated."""
        if self._writing:
            return
        if self.dialect == "sqlite":
            with self._guarded() as connection:
                self._holds_lock = self._write_lock.acquire(timeout=LOCK_TIMEOUT_S)
                if not self._holds_lock:
                    raise refusals.writer_busy(LOCK_TIMEOUT_S)
                connection.exec_driver_sql("BEGIN IMMEDIATE")
        self._writing = True

    def rows(self, statement: sa.Executable, values: Values | None = None) -> Sequence[Row]:
        """Runs a query and gives all its rows."""
        with self._guarded() as connection:
            return connection.execute(statement, values).all()

    def distinct(self, statement: sa.Executable) -> frozenset[Any]:
        """The values of a query's only column; a third faster than through rows."""
        with self._guarded() as connection:
            return frozenset(connection.scalars(statement))

    def rows_in(self, statement: sa.Select[Any], column: sa.ColumnElement[Any], keys: Sequence[Any]) -> Iterator[Row]:
        """The rows whose column is one of the keys, in several queries where the keys are many."""
        distinct = list(dict.fromkeys(keys))
        for start in range(0, len(distinct), IN_LIST):
            yield from self.rows(statement.where(column.in_(distinct[start : start + IN_LIST])))

    def scan(self, statement: sa.Executable) -> Iterator[Row]:
        """The rows of a large result, in batches of BATCH_ROWS."""
        with self._guarded() as connection:
            result = connection.execute(statement, execution_options={"yield_per": BATCH_ROWS})
        with result:
            while True:
                with self._guarded():
                    batch = result.fetchmany(BATCH_ROWS)
                if not batch:
                    return
                yield from batch

    def lock_rows(self, statement: sa.Executable, values: Values | None = None) -> Sequence[Row]:
        """As `rows`, inside the writing transaction: what it finds holds until the commit if it locks the rows."""
        self.begin_writing()
        return self.rows(statement, values)

    def write(self, statement: sa.Executable, values: Values | Sequence[Values] | None = None) -> int:
        """Runs a statement that changes rows and says how many."""
        self.begin_writing()
        with self._guarded() as connection:
            return connection.execute(statement, values).rowcount

    def insert_new(self, table: sa.Table, values: Values) -> Any | None:
        """Inserts a row and gives its (first) primary key, or None if one with the same unique values is there.

        Unlike an error, that leaves a transaction of PostgreSQL usable.
        """
        found = self.lock_rows(_insert_new(self.dialect, table), values)
        return found[0][0] if found else None

    def hold(self, name: str) -> None:
        """Waits until no other transaction holds that name, and holds it until this one ends.

        Begins the write: on SQLite whoever writes is alone, and holds every name.
        """
        self.begin_writing()
        if self.dialect == "postgresql":
            key = int.from_bytes(hashlib.sha256(f"msearch {name}".encode()).digest()[:8], signed=True)
            self.rows(_HOLD, {"key": key})

    def log(self, kind: str, id: str) -> None:
        """Notes a change, to be numbered at commit."""
        self._changes.append((kind, id))

    def pending_changes(self) -> Sequence[tuple[str, str]]:
        """The changes noted so far."""
        return self._changes

    def commit(self) -> None:
        """Commits and ends."""
        with self._guarded() as connection:
            if self._writing:
                connection.commit()
        self.end()

    def end(self) -> None:
        """Undoes what was not committed and gives the connection back; harmless when repeated."""
        self._ended = True
        connection, self._connection = self._connection, None
        try:
            if connection is not None:
                with translated():
                    connection.close()
        finally:
            if self._holds_lock:
                self._holds_lock = False
                self._write_lock.release()

    @contextmanager
    def _guarded(self) -> Iterator[sa.Connection]:
        """Lends the connection and translates its errors.

        After one, this session only ends: PostgreSQL has aborted the transaction and SQLite may have undone it, so that
        a later statement would be committed without the ones before.
        """
        if self._ended:
            raise RuntimeError("this unit of work has ended: begin a new one")
        if self._failed:
            raise RuntimeError("this unit of work failed before: begin a new one")
        try:
            if self._connection is None:
                self._connection = self._engine.connect()
            yield self._connection
        except DRIVER_ERRORS as error:
            self._failed = True
            known = domain_error(error)
            if known is None:
                raise
            raise known from error


@cache
def _insert_new(dialect: str, table: sa.Table) -> sa.Executable:
    key = next(iter(table.primary_key))
    if dialect == "sqlite":
        return sqlite.insert(table).on_conflict_do_nothing().returning(key)
    return postgresql.insert(table).on_conflict_do_nothing().returning(key)

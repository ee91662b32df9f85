"""Turns what the database driver raises into errors of the domain.

What the adapters can foresee they check before they write. What is left are races between transactions, which retrying
resolves, and a database that does not answer. Anything else is a defect and passes unchanged.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from search_service.domain.errors import (
    AlreadyExists,
    DomainError,
    InvalidArgument,
    PreconditionFailed,
    Reason,
    Unavailable,
)

DRIVER_ERRORS = (sa.exc.SQLAlchemyError, UnicodeEncodeError)

# https://www.postgresql.org/docs/current/errcodes-appendix.html
_UNIQUE_STATES = {"23505"}
_REFERENCE_STATES = {"23001", "23503"}
_UNSTORABLE_CLASSES = {"22", "54"}  # data exception, program limit exceeded
_UNAVAILABLE_CLASSES = {"08", "25", "40", "53", "55", "57", "58"}
# https://www.sqlite.org/rescode.html: the primary codes that waiting does not cure. Each completes "the database ...".
_SQLITE_PROBLEMS = {
    sqlite3.SQLITE_FULL: "cannot be written, because its disk is full: free some space",
    sqlite3.SQLITE_READONLY: "cannot be written: let the service write to its file and its folder",
    sqlite3.SQLITE_IOERR: "cannot be read or written: see whether its disk is full or failing",
    sqlite3.SQLITE_CORRUPT: "is damaged: restore it from a backup",
    sqlite3.SQLITE_NOTADB: "is a file, but not a SQLite database: move it away, restore a backup, or name another "
    "with --database or --data-dir",
}
_UNIQUE_CODES = {sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY}


@contextmanager
def translated() -> Iterator[None]:
    """Raises errors of the domain in place of the driver's, with the driver's as their cause."""
    try:
        yield
    except DRIVER_ERRORS as error:
        known = domain_error(error)
        if known is None:
            raise
        raise known from error


def domain_error(error: Exception) -> DomainError | None:
    """What one of DRIVER_ERRORS means to the caller, or None for a defect."""
    if isinstance(error, sa.exc.TimeoutError):
        return Unavailable("all database connections are in use: retry with backoff", Reason.STORAGE_UNAVAILABLE)
    if isinstance(error, UnicodeEncodeError):
        return _unstorable()
    return _of_driver(error) if isinstance(error, sa.exc.DBAPIError) else None


def sqlite_problem(error: BaseException | None) -> str | None:
    """What is wrong with the SQLite file or its disk, to follow "the database"; None where it is something else."""
    code = getattr(getattr(error, "orig", error), "sqlite_errorcode", None)
    # The lowest eight bits are the primary code, the others say more.
    return None if code is None else _SQLITE_PROBLEMS.get(code & 0xFF)


def _of_driver(error: sa.exc.DBAPIError) -> DomainError | None:
    if error.connection_invalidated:
        return _unanswered()
    if isinstance(error.orig, sqlite3.Error):
        return _of_sqlite(error.orig)
    state: str | None = getattr(error.orig, "sqlstate", None)
    if state is None:
        # psycopg itself refused the value, or never reached the server.
        return _unstorable() if isinstance(error, sa.exc.DataError) else _unanswered_if_operational(error)
    if state in _UNIQUE_STATES:
        return _taken()
    if state in _REFERENCE_STATES:
        return _referenced()
    if state[:2] in _UNSTORABLE_CLASSES:
        return _unstorable()
    return _unanswered() if state[:2] in _UNAVAILABLE_CLASSES else None


def _of_sqlite(error: sqlite3.Error) -> DomainError | None:
    code = getattr(error, "sqlite_errorcode", None)
    if code in _UNIQUE_CODES:
        return _taken()
    if code == sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY:
        return _referenced()
    if code == sqlite3.SQLITE_TOOBIG:
        return _unstorable()
    if problem := sqlite_problem(error):
        return Unavailable(f"the database {problem}", Reason.STORAGE_UNAVAILABLE)
    # SQLITE_ERROR is wrong SQL or a missing table; the other operational ones are busy, locked or not to be opened.
    operational = isinstance(error, sqlite3.OperationalError) and code != sqlite3.SQLITE_ERROR
    return _unanswered() if operational else None


def _unanswered_if_operational(error: sa.exc.DBAPIError) -> DomainError | None:
    return _unanswered() if isinstance(error, (sa.exc.OperationalError, sa.exc.InterfaceError)) else None


def _unanswered() -> Unavailable:
    return Unavailable("the database did not answer, or was too busy: retry with backoff", Reason.STORAGE_UNAVAILABLE)


def _taken() -> AlreadyExists:
    return AlreadyExists("the name, or the id, was taken in this very moment: read it again", Reason.NAME_TAKEN)


def _referenced() -> PreconditionFailed:
    return PreconditionFailed(
        "an object that this one refers to, or is referred to by, changed in this very moment: read it again",
        Reason.STILL_REFERENCED,
    )


def _unstorable() -> InvalidArgument:
    return InvalidArgument(
        "a value cannot be stored: it is too long, too large, or holds a NUL or an unpaired surrogate character"
    )

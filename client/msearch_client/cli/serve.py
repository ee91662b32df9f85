"""`serve`: runs the search service in place of this program."""

from __future__ import annotations

import typer

from msearch_client.cli.handing_over import hand_over

NEEDED = ("search_service", "sqlalchemy", "alembic", "structlog", "grpc_health", "grpc_reflection", "onnx", "numba")


def serve(context: typer.Context) -> None:
    """Run the search service; arguments go to `python -m search_service serve`.

    For example: msearch-cli serve --listen 127.0.0.1:50051. Its own options: msearch-cli serve -- --help.
    """
    hand_over(
        "the service",
        ["search_service", "serve", *context.args],
        needed=NEEDED,
        hint="run `pip install 'msearch[service]'`",
    )

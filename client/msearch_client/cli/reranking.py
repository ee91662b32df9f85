"""`query --rerank`: runs the best candidates on the target, here or on agents."""

from __future__ import annotations

import logging
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from msearch_client import Client, Ranking
from msearch_client.cli.output import fraction_bar, print_note, progress
from msearch_client.cli.times import describe_time, parse_time

KEPT = timedelta(hours=24)

_log = logging.getLogger("msearch_client")

Rerank = Annotated[
    int | None,
    typer.Option(
        "--rerank",
        metavar="K",
        min=1,
        max=1000,
        help="Run the K best candidates on the data and rank them by predicted accuracy. Agents run them: the rows are "
        "stored with the service for a while, for you alone; --local runs them here instead.",
    ),
]
Local = Annotated[
    bool,
    typer.Option("--local", help="With --rerank: run the candidates on this machine; no row leaves it."),
]
Keep = Annotated[
    str | None,
    typer.Option(
        "--keep", metavar="TIME", help="With --rerank: how long the rows are stored, such as 2h; default 24h."
    ),
]
WithNoise = Annotated[
    bool,
    typer.Option(
        "--with-noise",
        help="With --rerank: also run each candidate with noise on its weights, for the score worst_noise; 40 times "
        "the work.",
    ),
]


def check_options(*, k: int | None, local: bool, keep: str | None, with_noise: bool) -> None:
    """Raises BadParameter where an option needs another, or stands against it."""
    if k is None:
        given = {"--local": local, "--keep": keep is not None, "--with-noise": with_noise}
        for name, is_given in given.items():
            if is_given:
                raise typer.BadParameter(f"{name} needs --rerank")
        return
    if local and keep is not None:
        raise typer.BadParameter("--keep is about rows that are stored with the service, and --local stores none")


def say_what_is_stored(client: Client, data: Path, kept: timedelta) -> None:
    """Before rows leave this machine."""
    _log.warning(
        "agents run the candidates: the rows of %s go to %s for %s, for you alone (`msearch-cli samples delete` "
        "removes them at once; --local runs the candidates here)",
        data,
        client.server,
        describe_time(kept),
    )


def rerank(client: Client, data: Path, k: int, *, local: bool, keep: str | None, **asked: Any) -> Ranking:
    """Asks, with progress; says beforehand what leaves this machine."""
    kept = KEPT if keep is None else parse_time(keep, "--keep")
    if not local:
        say_what_is_stored(client, data, kept)
    try:
        with progress("reading", unit="rows") as show_rows, fraction_bar("running the candidates") as show_share:
            return client.rerank(
                data, k=k, local=local, keep_s=kept.total_seconds(), progress=show_rows, running=show_share, **asked
            )
    except KeyboardInterrupt:
        if not local:
            print_note(
                "the jobs go on: `msearch-cli jobs list` shows them, and the same command later takes their outputs"
            )
        raise

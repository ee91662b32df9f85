"""`query --ensemble`: which models cover the target together."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Unpack

import typer

from msearch_client import Client, Ensemble
from msearch_client._target_options import TargetOptions
from msearch_client.cli import options
from msearch_client.cli.output import count, print_json, print_line, print_table, progress

Members = Annotated[
    int | None,
    typer.Option(
        "--ensemble",
        metavar="K",
        min=1,
        max=50,
        help="Do not rank: suggest up to K models whose sources together cover the data, and who gets which rows.",
    ),
]


def suggest(
    client: Client,
    data: Path | None,
    signature: Path | None,
    members: int,
    *,
    as_json: bool,
    **asked: Unpack[TargetOptions],
) -> None:
    """Asks and prints."""
    target: Any = data if signature is None else options.read_signature(signature)
    with progress("sketching", unit="rows") as show_progress:
        found = client.suggest_ensemble(target, members=members, progress=show_progress, **asked)
    if as_json:
        print_json(found.to_dict())
    else:
        print_ensemble(found)


def print_ensemble(found: Ensemble) -> None:
    """A suggestion for people."""
    print_line(
        f"{count(len(found.members), 'model')} of {count(found.considered, 'source')} cover {found.covered:.3f} of "
        f"{count(found.target_rows, 'row')}; the best alone {found.best_alone:.3f}"
    )
    print_table(
        [
            {
                "model": item.model,
                "dataset": item.dataset_name,
                "alone": f"{item.alone:.3f}",
                "adds": f"{item.adds:.3f}",
                "rows nearest": f"{item.routed:.1%}",
                "same source": ", ".join(item.others),
            }
            for item in found.members
        ],
        numbers=("alone", "adds", "rows nearest"),
        keys=("model",),
    )
    for notice in found.notices:
        print_line(f"note: {notice}")

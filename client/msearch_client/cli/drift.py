"""`query --drift` and `--drift-from`: has the target moved away from its base?"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Unpack

import typer

from msearch_client import Client, Drift
from msearch_client._target_options import ReadingOptions
from msearch_client.cli import options
from msearch_client.cli.output import count, print_fields, print_json, print_line, print_table, progress

MOST_CLASSES = 10


def compare(
    client: Client,
    data: Path | None,
    signature: Path | None,
    base: Path | None,
    dataset: str | None,
    *,
    as_json: bool,
    **reading: Unpack[ReadingOptions],
) -> None:
    """Compares and prints."""
    if base is not None and dataset is not None:
        raise typer.BadParameter("give either --drift or --drift-from")
    if base is not None and data is None:
        raise typer.BadParameter("--drift needs --data; a --signature compares with --drift-from")
    target: Any = data if signature is None else options.read_signature(signature)
    with progress("reading", unit="rows") as show_progress:
        found = client.drift(target, base, dataset=dataset, progress=show_progress, **reading)
    if as_json:
        print_json(found.to_dict())
    else:
        print_drift(found)


def print_drift(found: Drift) -> None:
    """A comparison for people."""
    sides = f"{found.target} ({count(found.target_rows, 'row')}) against {found.base} ({count(found.base_rows, 'row')})"
    print_line(f"{found.verdict}: {sides}")
    print_fields(
        {
            "p-value": f"{_chance(found.p_value)}; below {found.alpha:g} the difference is taken for real",
            "effect": f"{found.effect:.4f} of the spread; from 0.01 it matters",
            "target outside the base": f"{found.uncovered:.1%} of its rows; 1 % is usual, from 6 % it matters",
            "base outside the target": f"{found.uncovered_base:.1%} of its rows",
            "adaptivity": f"{_share(found.coverage)} of the target, {_share(found.coverage_of_base)} of the base",
        }
    )
    if found.class_shifts:
        told = "counted" if found.classes_counted else "as the nearest base rows tell"
        print_line()
        print_line(f"shares of classes, {told}")
        print_table(
            [
                {
                    "class": shift.name,
                    "base": f"{shift.base:.1%}",
                    "target": f"{shift.target:.1%}",
                    "p-value": _chance(shift.p_value),
                }
                for shift in found.class_shifts[:MOST_CLASSES]
            ],
            numbers=("base", "target", "p-value"),
        )
        if len(found.class_shifts) > MOST_CLASSES:
            print_line(f"and {count(len(found.class_shifts) - MOST_CLASSES, 'class')} more that changed less")
    if found.outliers:
        named = ", ".join(
            f"{item.row}" if item.distance is None else f"{item.row} ({item.distance:.1f}x)" for item in found.outliers
        )
        print_line()
        print_line(f"rows where the base has none, counted from 0: {named}")
    for notice in found.notices:
        print_line(f"note: {notice}")


def _chance(value: float) -> str:
    return "below 1e-12" if value < 1e-12 else f"{value:.3g}"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"

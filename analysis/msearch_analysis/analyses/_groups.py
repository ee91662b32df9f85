"""Rows that belong into one picture."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import TypeVar

from msearch_analysis.rows import Quantity, Row

Key = TypeVar("Key", bound=Hashable)

MOST_CHARTS = 8
"""Pictures of one analysis: more would be paged past, and the table holds everything."""
MOST_LINES = 6
"""Lines that can be told apart in one picture."""
MOST_BARS = 12
MOST_TIMES = 25
"""Beside a bar that many times as long, the best would not be seen."""


def group(rows: Iterable[Row], key: Callable[[Row], Key]) -> dict[Key, list[Row]]:
    """Rows by key, in the order in which the keys come first."""
    found: dict[Key, list[Row]] = {}
    for row in rows:
        found.setdefault(key(row), []).append(row)
    return found


def largest(groups: dict[Key, list[Row]], *, least: int = 1, most: int = MOST_CHARTS) -> dict[Key, list[Row]]:
    """The groups with the most rows, at least `least`, in their order."""
    kept = sorted((key for key in groups if len(groups[key]) >= least), key=lambda key: -len(groups[key]))[:most]
    return {key: rows for key, rows in groups.items() if key in set(kept)}


def not_drawn(groups: dict[Key, list[Row]], drawn: dict[Key, list[Row]], *, least: int = 1) -> tuple[str, ...]:
    """What to say where not every group has its picture."""
    total = sum(len(rows) >= least for rows in groups.values())
    if total == len(drawn):
        return ()
    return (f"{len(drawn)} of {total} groups have a picture, those with the most profiles; the table holds all",)


def best_first(rows: Iterable[Row], quantity: Quantity) -> list[Row]:
    """Rows that have the quantity, the best first."""
    held = [(value, row) for row in rows if (value := row.value(quantity.name)) is not None]
    ordered = sorted(held, key=lambda pair: pair[0] if quantity.less_is_better else -pair[0])
    return [row for _, row in ordered]


def spread(values: Sequence[float]) -> float:
    """Largest over smallest of those above 0; 1 where there are none."""
    positive = [value for value in values if value > 0]
    return max(positive) / min(positive) if positive else 1.0


def is_wide(values: Sequence[float]) -> bool:
    """Whether values are better drawn on a logarithmic axis: all above 0, and more than a factor of 20 apart."""
    return bool(values) and min(values) > 0 and spread(values) > 20

"""Columns and cells that many analyses have."""

from __future__ import annotations

from collections.abc import Sequence

from msearch_analysis.labels import words_of
from msearch_analysis.rows import Quantity, Row
from msearch_analysis.tables import Column, Value

SUBJECT = (Column("model"), Column("variant"), Column("load"), Column("host_class"))
WHAT = (*SUBJECT, Column("verdict"))
REASONS = Column("reasons", heading="rules that did not hold")


def what(row: Row) -> dict[str, Value]:
    """Cells for `WHAT` and `REASONS`, and the profile's id."""
    return {
        "model": row.model or "none",
        "variant": row.variant,
        "load": row.load,
        "host_class": row.host_class,
        "verdict": "VALID" if row.valid else "INVALID",
        "reasons": row.broken_rules,
        "profile": row.id,
    }


def measured(quantities: Sequence[Quantity]) -> tuple[Column, ...]:
    """A column a quantity."""
    return tuple(
        Column(quantity.name, heading=words_of(quantity.name), unit=quantity.unit, number=True)
        for quantity in quantities
    )


def with_interval(*quantities: Quantity) -> tuple[Column, ...]:
    """Each quantity and the ends of its 95 % interval."""
    return tuple(
        Column(f"{one.name}{end}", heading=heading or words_of(one.name), unit=one.unit, number=True)
        for one in quantities
        for end, heading in (("", ""), ("_low", "95 % from"), ("_high", "to"))
    )


def values(row: Row, quantities: Sequence[Quantity]) -> dict[str, Value]:
    """Cells for `measured`."""
    return {quantity.name: row.value(quantity.name) for quantity in quantities}


def interval(row: Row, *quantities: Quantity) -> dict[str, Value]:
    """Cells for `with_interval`."""
    cells: dict[str, Value] = {}
    for quantity in quantities:
        name, found = quantity.name, row.quantities.get(quantity.name)
        if found is not None:
            cells |= {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}
    return cells

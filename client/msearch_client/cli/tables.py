"""Tables that fit the terminal: numbers stay whole, names fold within their column, and nothing runs into another.

Where even that does not fit, columns of numbers move into further tables below, each of which repeats the columns that
say whose numbers they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.cells import cell_len

GAP = 2
NARROWEST_TEXT = 14
NARROWEST_WIDE = 8
WIDEST_HEADER = 11


@dataclass(frozen=True, slots=True)
class Column:
    """A column of one table: its key in the rows, its width, and how it is set."""

    name: str
    width: int
    number: bool = False
    wide: bool = False


def lay_out(
    rows: Sequence[Mapping[str, str]], width: int, *, numbers: Sequence[str], wide: Sequence[str], keys: Sequence[str]
) -> list[list[Column]]:
    """The columns of each table to print.

    Args:
        rows: at least one, all with the same keys.
        width: of the terminal, in characters.
        numbers: columns set to the right, which are never cut; a long header folds.
        wide: columns that give way first: they are cut, and left out where fewer than 8 characters remain.
        keys: columns that are repeated where numbers need a further table.
    """
    content = {name: max(cell_len(row[name]) for row in rows) for name in rows[0]}
    natural = {name: max(len(name), size) for name, size in content.items()}
    fixed = {name: max(min(len(name), WIDEST_HEADER), content[name]) for name in numbers if name in content}
    least = {name: fixed.get(name, min(natural[name], NARROWEST_TEXT)) for name in natural if name not in wide}
    blocks: list[list[str]] = [[name for name in least if name not in numbers or name in keys]]
    for name in (name for name in numbers if name in natural and name not in keys):
        candidate = [*blocks[-1], name]
        if _total(candidate, least) > width and len(blocks[-1]) > len(keys):
            candidate = [*keys, name]
            blocks.append(candidate)
        else:
            blocks[-1] = candidate
    order = list(natural)
    tables = []
    for position, block in enumerate(blocks):
        names = sorted({*block, *(wide if position == 0 else ())} & set(order), key=order.index)
        tables.append(_fit(names, width, natural, least))
    return [[Column(name, size, name in numbers, name in wide) for name, size in widths.items()] for widths in tables]


def _total(names: Sequence[str], widths: Mapping[str, int]) -> int:
    return sum(widths[name] for name in names) + GAP * (len(names) - 1)


def _fit(names: Sequence[str], width: int, natural: Mapping[str, int], least: Mapping[str, int]) -> dict[str, int]:
    """Widths that use what is there: first every column its least, then texts what they need, then wide ones."""
    firm = [name for name in names if name in least]
    widths = {name: least[name] for name in firm}
    left = width - _total(firm, least)
    while left > 0:
        growing = [name for name in firm if widths[name] < natural[name] and natural[name] > least[name]]
        if not growing:
            break
        share = max(left // len(growing), 1)
        for name in growing[:left]:
            grown = min(share, natural[name] - widths[name], left)
            widths[name] += grown
            left -= grown
    for name in (name for name in names if name not in least):
        given = min(natural[name], left - GAP)
        if given >= min(natural[name], NARROWEST_WIDE):
            widths[name] = given
            left -= given + GAP
    return {name: widths[name] for name in names if name in widths}

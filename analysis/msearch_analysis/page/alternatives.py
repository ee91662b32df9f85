"""What a picture shows, in words, for those who do not see it."""

from __future__ import annotations

from msearch_analysis.amounts import format_number
from msearch_analysis.charts import Bars, Chart, HeatMap, Plot, Ranges, Stacks

MOST = 6


def alternative_of(chart: Chart) -> str:
    """One sentence with the first values; the table beside a picture holds all of them."""
    match chart:
        case Bars(_, axis, bars):
            listed = [f"{bar.label} {format_number(bar.value)}{'' if bar.valid else ' (INVALID)'}" for bar in bars]
            return f"Bars of {axis.text}: {_join(listed)}."
        case Stacks(_, axis, parts, stacks, _):
            listed = [f"{stack.label} {format_number(sum(stack.values))}" for stack in stacks]
            return f"Stacked bars of {axis.text}, made of {', '.join(parts)}: {_join(listed)}."
        case Ranges(_, axis, ranges):
            listed = [
                f"{one.label} {format_number(one.value)}, from {format_number(one.outer[0])} to "
                f"{format_number(one.outer[1])}"
                for one in ranges
            ]
            return f"Ranges of {axis.text}: {_join(listed)}."
        case HeatMap(_, value, x, y, columns, rows, cells):
            held = [cell.value for line in cells for cell in line if cell is not None and cell.valid]
            span = f", from {format_number(min(held))} to {format_number(max(held))}" if held else ""
            return f"Heat map of {value.text} over {x.text} ({_join(columns)}) and {y.text} ({_join(rows)}){span}."
        case Plot(_, x, y, series):
            return f"{y.text} over {x.text}, for {_join([one.label for one in series])}."


def _join(texts: list[str] | tuple[str, ...]) -> str:
    more = f"; and {len(texts) - MOST} more" if len(texts) > MOST else ""
    return "; ".join(texts[:MOST]) + more

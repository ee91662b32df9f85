"""A row of a table in a few words, for people who label it."""

from __future__ import annotations

import math
from typing import Any

import pyarrow as pa

LONGEST = 80
_BARS = "▁▂▃▄▅▆▇█"


def describe(value: Any, most: int = 10_000) -> str:
    """A value for people: texts as they are, series as a sparkline, bytes by their size."""
    if value is None:
        return "-"
    if isinstance(value, dict):
        if set(value) == {"bytes", "path"}:
            return str(value["path"] or "") or describe(value["bytes"])
        return ", ".join(f"{name}: {describe(part)}" for name, part in value.items())[:most]
    if isinstance(value, bytes):
        return f"{len(value):,} bytes"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list):
        if value and isinstance(value[0], list):
            return " | ".join(describe(part) for part in value[:3]) + (" | ..." if len(value) > 3 else "")
        return sparkline([float(part) for part in value if part is not None])
    text = str(value)
    return text if len(text) <= most else f"{text[: most - 3]}..."


def sparkline(values: list[float], width: int = 60) -> str:
    """A series in one line of bars, with its range; longer ones are thinned."""
    shown = [value for value in values if math.isfinite(value)]
    if not shown:
        return "no values"
    low, high = min(shown), max(shown)
    step = max(1, -(-len(shown) // width))
    scale = (len(_BARS) - 1) / (high - low) if high > low else 0.0
    bars = "".join(_BARS[round((value - low) * scale)] for value in shown[::step])
    return f"{bars} ({low:g} to {high:g})"


def preview(rows: pa.Table, row: int) -> str:
    """The row in at most 80 characters, on one line."""
    values = rows.slice(row, 1).to_pylist()[0]
    only = len(values) == 1
    text = "; ".join(
        describe(value, LONGEST) if only else f"{name}={describe(value, 30)}" for name, value in values.items()
    )
    flat = " ".join(text.split())
    return flat if len(flat) <= LONGEST else f"{flat[: LONGEST - 3]}..."

"""A latency histogram in the terminal, in block characters."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import pairwise

from msearch_analysis.amounts import format_number
from msearch_client._histograms import Histogram

ROWS = 16
EIGHTHS = " ▏▎▍▌▋▊▉"
LONGEST_BAR = 48
WIDE_RANGE = 8.0


def bin_edges(low: float, high: float, rows: int) -> list[float]:
    """Ends of `rows` bins: equally wide, or equally wide in logarithms where the range is large."""
    if high <= low:
        return [low, high]
    if low > 0 and high / low > WIDE_RANGE:
        step = (high / low) ** (1 / rows)
        return [low * step**position for position in range(rows)] + [high]
    return [low + (high - low) * position / rows for position in range(rows)] + [high]


def bin_counts(histogram: Histogram, edges: list[float]) -> list[int]:
    """How many requests fall in each bin; a bucket belongs where its middle lies."""
    counts = [0] * (len(edges) - 1)
    position = 0
    for bucket in histogram.buckets:
        while position < len(counts) - 1 and bucket.middle >= edges[position + 1]:
            position += 1
        counts[position] += bucket.count
    return counts


def draw(histogram: Histogram, *, width: int, marks: Mapping[str, float]) -> Iterator[str]:
    """A line a bin: its ends, a bar, how many requests, and which of the `marks` (name to ms) lie in it."""
    low, high = histogram.buckets[0].low, histogram.buckets[-1].high
    edges = bin_edges(low, high, ROWS)
    counts = bin_counts(histogram, edges)
    labels = [f"{format_number(start)} - {format_number(end)}" for start, end in pairwise(edges)]
    numbers = [f"{number:,}" for number in counts]
    label_width, number_width = max(map(len, labels)), max(map(len, numbers))
    room = min(max(width - label_width - number_width - 2 - 2 - 14, 8), LONGEST_BAR)
    most = max(counts)
    for position, (label, number, amount) in enumerate(zip(labels, numbers, counts, strict=True)):
        last = position == len(counts) - 1
        inside = [
            name
            for name, value in marks.items()
            if (edges[position] <= value or position == 0) and (value < edges[position + 1] or last)
        ]
        line = f"{label.rjust(label_width)}  {bar(amount / most, room).ljust(room)} {number.rjust(number_width)}"
        yield f"{line}  {' '.join(inside)}".rstrip()


def bar(share: float, room: int) -> str:
    """A bar as long as `share` of `room` characters, to an eighth of one; something is never drawn as nothing."""
    eighths = round(share * room * 8)
    if share > 0:
        eighths = max(eighths, 1)
    return "█" * (eighths // 8) + EIGHTHS[eighths % 8].strip() if math.isfinite(share) else ""

"""Small timings inside a child."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

REPEATS = 5


def time_per_row(action: Callable[[], object], rows: int) -> float:
    """Median nanoseconds a row of an action over so many rows, after one call that does not count."""
    action()
    taken = []
    for _ in range(REPEATS):
        started = time.perf_counter_ns()
        action()
        taken.append(time.perf_counter_ns() - started)
    return statistics.median(taken) / max(rows, 1)

"""How sure the repeats of a run make a quantity: the t interval of the runs' medians, on their logarithms.

    exp(mean(log m) -+ t(1 - (1 - c) / 2, k - 1) s / sqrt(k)),  s the standard deviation of log m over k runs

Logarithms because noise multiplies latencies and rates; values that are not all positive are taken as they are. Each
median comes from a fresh process, so, unlike the requests of one run, they are independent.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from msearch_analysis.probabilities import student_t_quantile

FEWEST_RUNS = 3
"""Two runs that agree by luck must not end the repeats."""


def median_interval(run_medians: Sequence[float], confidence: float = 0.95) -> tuple[float, float]:
    """The interval in which the quantity lies; infinite from one run, which says nothing of the spread.

    Raises:
        ValueError: no runs, or a median that is not a number.
    """
    if not run_medians:
        raise ValueError("an interval of no runs")
    if not all(math.isfinite(median) for median in run_medians):
        raise ValueError(f"the medians {list(run_medians)} are not all finite")
    if len(run_medians) == 1:
        return -math.inf, math.inf
    if min(run_medians) > 0:
        low, high = _interval([math.log(median) for median in run_medians], confidence)
        return math.exp(low), math.exp(high)
    return _interval(run_medians, confidence)


def _interval(values: Sequence[float], confidence: float) -> tuple[float, float]:
    half = student_t_quantile((1.0 + confidence) / 2, len(values) - 1) * statistics.stdev(values)
    centre = statistics.fmean(values)
    half /= math.sqrt(len(values))
    return centre - half, centre + half


def enough(run_medians: Sequence[float], precision: float, confidence: float = 0.95) -> bool:
    """Whether the interval lies within plus or minus `precision` (a share) of the median of the medians.

    Looking after every run makes the interval a little optimistic; `FEWEST_RUNS` keeps that small.
    """
    if len(run_medians) < FEWEST_RUNS:
        return False
    low, high = median_interval(run_medians, confidence)
    centre = statistics.median(run_medians)
    return max(high - centre, centre - low) <= precision * abs(centre)

"""Percentiles by nearest rank, their intervals by order statistics, and how many samples a percentile needs.

The count comes from MLPerf's early stopping rule: with `failures` requests over a limit, the claim "percentile p is
within the limit" holds at confidence c once

    P(Binomial(n, 1 - p) <= failures) <= 1 - c

so at c = 0.99 the smallest n for 0, 1, 2 failures is p90 44/64/81, p95 90/130/165, p99 459/662/838 (662 is the constant
in LoadGen), p99.9 4603/6636/8403.

A percentile is printed from the count for one failure on, as LoadGen does before it estimates one: with that many
samples its upper confidence bound is the second largest value, so a single outlier doesn't decide it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msearch_analysis.probabilities import binomial_cdf

PERCENTS = (50.0, 90.0, 95.0, 99.0, 99.9)
"""The percentiles that profiles give."""

Values = Sequence[float] | NDArray[Any]


def nearest_rank(values: Values, percent: float) -> float:
    """The smallest value that at least `percent` % of the values don't exceed. Unit: that of the values.

    Raises:
        ValueError: no values, or a percent outside (0, 100].
    """
    data = np.asarray(values)
    if data.size == 0:
        raise ValueError("a percentile of no values")
    position = _rank(percent, data.size) - 1
    return float(np.partition(data, position)[position])


def _rank(percent: float, count: int) -> int:
    if not 0.0 < percent <= 100.0:
        raise ValueError(f"a percentile lies in (0, 100], got {percent:g}")
    # Exact: 99.9 % of 1,000 is 999, not 999.0000000000001 and so 1,000.
    return math.ceil(Fraction(repr(float(percent))) * count / 100)


def percentile_interval(values: Values, percent: float, confidence: float = 0.95) -> tuple[float, float]:
    """A distribution-free interval of the percentile: two order statistics around it (David & Nagaraja 2003, 7.1).

    At least `confidence` sure, half of the doubt on either side, if the values are independent. An end that no order
    statistic can give (too few values) is infinite.
    """
    data = np.sort(np.asarray(values, dtype=np.float64))
    low, high = _interval_ranks(data.size, percent / 100, (1.0 - confidence) / 2)
    return (
        float(data[low - 1]) if low >= 1 else -math.inf,
        float(data[high - 1]) if high <= data.size else math.inf,
    )


@cache
def _interval_ranks(count: int, share: float, doubt: float) -> tuple[int, int]:
    """The largest l with P(X < l) <= doubt and the smallest u with P(X >= u) <= doubt; X ~ Binomial(count, share)."""
    low = _first(lambda rank: binomial_cdf(rank - 1, count, share) > doubt, 0, count + 1) - 1
    high = _first(lambda rank: 1.0 - binomial_cdf(rank - 1, count, share) <= doubt, 1, count + 1)
    return low, high


def _first(holds: Callable[[int], bool], low: int, high: int) -> int:
    """The smallest number from `low` on for which a monotone condition holds; `high` where none below does."""
    while low < high:
        middle = (low + high) // 2
        if holds(middle):
            high = middle
        else:
            low = middle + 1
    return low


@cache
def smallest_count(percent: float, failures: int = 0, confidence: float = 0.99) -> int:
    """The fewest samples that can show the percentile to be within a limit that `failures` of them exceed."""
    if not 0.0 < percent < 100.0 or failures < 0 or not 0.0 < confidence < 1.0:
        raise ValueError(f"no sample count for percent={percent}, failures={failures}, confidence={confidence}")
    beyond = float(1 - Fraction(repr(float(percent))) / 100)

    def shown(count: int) -> bool:
        return binomial_cdf(failures, count, beyond) <= 1.0 - confidence

    high = failures + 2
    while not shown(high):
        high *= 2
    return _first(shown, failures + 1, high)


def count_to_print(percent: float) -> int:
    """The fewest samples from which a percentile is printed: 11, 64, 130, 662 and 6,636 for those of `PERCENTS`."""
    return smallest_count(percent, failures=1)


def allowed_percentiles(count: int) -> tuple[float, ...]:
    """Those of `PERCENTS` that may be printed from so many samples."""
    return tuple(percent for percent in PERCENTS if count >= count_to_print(percent))

"""Percentiles, their intervals, and the table of how many samples each needs."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from profiler_agent.stats.percentiles import (
    allowed_percentiles,
    count_to_print,
    nearest_rank,
    percentile_interval,
    smallest_count,
)


@pytest.mark.parametrize(
    ("percent", "counts"),
    [
        (90, (44, 64, 81)),
        (95, (90, 130, 165)),
        (99, (459, 662, 838)),
        (99.9, (4603, 6636, 8403)),
    ],
)
def test_sample_table_of_the_early_stopping_rule(percent: float, counts: tuple[int, int, int]) -> None:
    assert tuple(smallest_count(percent, failures) for failures in range(3)) == counts


@pytest.mark.parametrize("percent", [50.0, 90.0, 99.0, 99.9])
@pytest.mark.parametrize("failures", [0, 1, 5, 40])
@pytest.mark.parametrize("confidence", [0.9, 0.99])
def test_smallest_count_is_the_smallest(percent: float, failures: int, confidence: float) -> None:
    count = smallest_count(percent, failures, confidence)
    beyond = 1 - percent / 100
    assert stats.binom.cdf(failures, count, beyond) <= 1 - confidence
    assert stats.binom.cdf(failures, count - 1, beyond) > 1 - confidence


@pytest.mark.parametrize(
    ("percent", "failures", "confidence"), [(0, 0, 0.99), (100, 0, 0.99), (99, -1, 0.99), (9, 0, 1)]
)
def test_smallest_count_refuses_what_has_no_answer(percent: float, failures: int, confidence: float) -> None:
    with pytest.raises(ValueError, match="no sample count"):
        smallest_count(percent, failures, confidence)


def test_p99_is_printed_from_662_requests_on() -> None:
    assert 99.0 not in allowed_percentiles(661)
    assert allowed_percentiles(662) == (50.0, 90.0, 95.0, 99.0)
    assert allowed_percentiles(6_636)[-1] == 99.9
    assert allowed_percentiles(10) == ()
    assert count_to_print(50.0) == 11


def test_nearest_rank_by_hand() -> None:
    values = [15, 20, 35, 40, 50]
    assert [nearest_rank(values, percent) for percent in (5, 30, 40, 50, 100)] == [15, 20, 20, 35, 50]


def test_nearest_rank_is_exact_where_the_rank_is_whole() -> None:
    # 0.999 * 1000 is 999.0000000000001 in floating point when computed as 99.9 / 100 * 1000.
    assert nearest_rank(np.arange(1, 1001), 99.9) == 999
    assert nearest_rank(np.arange(1, 101), 55.0) == 55


@pytest.mark.parametrize("percent", [0.0, -1.0, 100.1, math.nan])
def test_nearest_rank_refuses_an_impossible_percent(percent: float) -> None:
    with pytest.raises(ValueError, match="lies in"):
        nearest_rank([1.0], percent)


def test_no_percentile_of_nothing() -> None:
    with pytest.raises(ValueError, match="no values"):
        nearest_rank([], 50)


def test_interval_of_a_median_by_hand() -> None:
    # Binomial(10, 1/2): P(X < 2) = 11/1024, P(X < 3) = 56/1024, so at 2.5 % a side the 2nd and the 9th value.
    assert percentile_interval(list(range(1, 11)), 50) == (2, 9)


def test_interval_has_infinite_ends_where_the_values_cannot_give_them() -> None:
    assert percentile_interval([1, 2, 3], 50) == (-math.inf, math.inf)
    low, high = percentile_interval(list(range(100)), 99)
    assert math.isfinite(low)
    assert high == math.inf


def test_every_printed_percentile_has_a_finite_interval() -> None:
    for percent in (50.0, 90.0, 95.0, 99.0, 99.9):
        values = np.arange(count_to_print(percent))
        assert all(map(math.isfinite, percentile_interval(values, percent)))


@pytest.mark.parametrize("percent", [50, 90, 99])
def test_intervals_cover_the_true_percentile(percent: float) -> None:
    rng = np.random.default_rng(7)
    truth = -math.log(1 - percent / 100)
    inside = 0
    for _ in range(400):
        low, high = percentile_interval(rng.exponential(size=700), percent)
        inside += low <= truth <= high
    # 95 % asked; 93.3 % would be three standard deviations of 400 trials below it... and never far above 99 %.
    assert 0.92 <= inside / 400 <= 0.995

"""When repeats are enough, and what batch sizes say of latency."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from profiler_agent.stats.batch_law import fit_batch_law
from profiler_agent.stats.repeats import enough, median_interval


def test_interval_is_students_on_logarithms() -> None:
    medians = [1.0, 1.1, 0.95, 1.02, 1.07]
    logs = np.log(medians)
    expected = np.exp(stats.t.interval(0.95, 4, loc=logs.mean(), scale=stats.sem(logs)))
    assert median_interval(medians) == pytest.approx(tuple(expected))


def test_interval_of_values_that_are_not_all_positive_is_students_on_them() -> None:
    values = [-0.5, 0.2, 0.4]
    assert median_interval(values) == pytest.approx(
        stats.t.interval(0.95, 2, loc=np.mean(values), scale=stats.sem(values))
    )


def test_one_run_says_nothing_of_the_spread() -> None:
    assert median_interval([3.0]) == (-math.inf, math.inf)
    assert not enough([3.0], precision=0.5)


def test_two_runs_that_agree_by_luck_do_not_end_the_repeats() -> None:
    assert not enough([3.0, 3.0], precision=0.03)
    assert enough([3.0, 3.0, 3.0], precision=0.03)


def test_enough_compares_both_ends_with_the_median() -> None:
    medians = [1.0, 1.01, 0.99, 1.005, 0.995]
    low, high = median_interval(medians)
    reached = max(high - 1.0, 1.0 - low)
    assert enough(medians, precision=reached)
    assert not enough(medians, precision=reached * 0.999)


@pytest.mark.parametrize("medians", [[], [1.0, math.nan], [1.0, math.inf]])
def test_interval_refuses_what_is_no_number(medians: list[float]) -> None:
    with pytest.raises(ValueError, match=r"no runs|not all finite"):
        median_interval(medians)


def test_intervals_after_early_stopping_still_cover() -> None:
    """Stopping when narrow makes intervals optimistic; the least count of runs keeps that small."""
    rng = np.random.default_rng(5)
    inside = 0
    for _ in range(2_000):
        medians: list[float] = []
        while len(medians) < 5 and not enough(medians, 0.03):
            medians.append(float(np.exp(rng.normal(0.0, 0.015))))
        low, high = median_interval(medians)
        inside += low <= 1.0 <= high
    assert inside / 2_000 >= 0.90


def test_batch_law_recovers_a_line() -> None:
    law = fit_batch_law([1, 2, 4, 8, 16], [3.5, 4.0, 5.0, 7.0, 11.0])
    assert (law.slope_ms, law.intercept_ms, law.r_squared) == pytest.approx((0.5, 3.0, 1.0))
    assert law.latency_ms(32) == pytest.approx(19.0)


def test_batch_law_is_the_least_squares_line() -> None:
    rng = np.random.default_rng(1)
    sizes, latencies = rng.integers(1, 64, 30), rng.exponential(5.0, 30)
    expected = stats.linregress(sizes, latencies)
    law = fit_batch_law(sizes.tolist(), latencies.tolist())
    assert (law.slope_ms, law.intercept_ms) == pytest.approx((expected.slope, expected.intercept))
    assert law.r_squared == pytest.approx(expected.rvalue**2)


@pytest.mark.parametrize(("sizes", "latencies"), [([], []), ([4, 4], [1.0, 2.0]), ([1, 2], [1.0])])
def test_batch_law_needs_two_sizes(sizes: list[int], latencies: list[float]) -> None:
    with pytest.raises(ValueError, match="at least two different"):
        fit_batch_law(sizes, latencies)

"""When repeats are enough, and what two sets of run medians say of each other."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from profiler_agent.stats.batch_law import fit_batch_law
from profiler_agent.stats.comparison import Answer, compare, noise_of
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


def answers(shift: float, spread: float, runs: int, trials: int, **options: float) -> dict[Answer, float]:
    rng = np.random.default_rng(11)
    seen = dict.fromkeys(Answer, 0.0)
    for _ in range(trials):
        base = np.exp(rng.normal(0.0, spread, runs))
        other = np.exp(rng.normal(math.log1p(shift), spread, runs))
        seen[compare(base.tolist(), other.tolist(), **options).answer] += 1 / trials
    return seen


@pytest.mark.parametrize("runs", [3, 5, 10])
@pytest.mark.parametrize("spread", [0.005, 0.02, 0.1])
def test_equal_things_are_rarely_called_different(runs: int, spread: float) -> None:
    seen = answers(0.0, spread, runs, 2_000)
    # 5 % by construction, and three standard deviations of a share of 2,000 trials.
    assert seen[Answer.BETTER] + seen[Answer.WORSE] <= 0.05 + 0.015
    # A host that varies much within the runs shows it in the interval; one that varies little says SAME.
    assert (seen[Answer.SAME] > 0.5) == (spread == 0.005)


def test_a_slowdown_of_5_percent_is_found_with_enough_runs() -> None:
    assert answers(0.05, 0.01, 5, 500)[Answer.WORSE] > 0.95
    assert answers(0.05, 0.03, 20, 500)[Answer.WORSE] > 0.95
    assert answers(0.05, 0.03, 3, 500)[Answer.AMBIGUOUS] > 0.5


def test_a_real_difference_below_the_minimum_effect_is_the_same() -> None:
    seen = answers(0.01, 0.002, 10, 500)
    assert seen[Answer.SAME] > 0.95


def test_the_hosts_noise_raises_what_counts_as_different() -> None:
    base, other = [1.0, 1.001, 0.999], [1.05, 1.051, 1.049]
    assert compare(base, other).answer is Answer.WORSE
    assert compare(base, other, noise=0.08).answer is Answer.SAME
    assert compare(base, other, noise=0.051).answer is Answer.AMBIGUOUS


def test_direction_follows_what_is_better() -> None:
    base, other = [100.0, 101.0, 99.0], [120.0, 121.0, 119.0]
    assert compare(base, other).answer is Answer.WORSE
    assert compare(base, other, lower_is_better=False).answer is Answer.BETTER
    assert compare(other, base).answer is Answer.BETTER


def test_comparison_swapped_gives_the_inverse_effect() -> None:
    one, two = compare([1.0, 1.1, 0.9], [2.0, 2.1, 1.9]), compare([2.0, 2.1, 1.9], [1.0, 1.1, 0.9])
    assert (1 + one.effect) * (1 + two.effect) == pytest.approx(1.0)
    assert (1 + one.low) * (1 + two.high) == pytest.approx(1.0)


def test_interval_of_the_effect_is_welchs() -> None:
    base, other = [1.0, 1.1, 0.9, 1.05], [1.2, 1.5, 1.1]
    expected = stats.ttest_ind(np.log(other), np.log(base), equal_var=False).confidence_interval(0.95)
    result = compare(base, other)
    assert (math.log1p(result.low), math.log1p(result.high)) == pytest.approx((expected.low, expected.high))


def test_one_run_a_side_is_ambiguous_whatever_the_effect() -> None:
    result = compare([1.0], [3.0])
    assert result.answer is Answer.AMBIGUOUS
    assert result.effect == pytest.approx(2.0)
    assert (result.low, result.high) == (-1.0, math.inf)


@pytest.mark.parametrize(("a", "b"), [([], [1.0]), ([1.0], []), ([0.0, 1.0], [1.0, 1.0]), ([1.0], [math.nan])])
def test_comparison_refuses_what_cannot_be_compared(a: list[float], b: list[float]) -> None:
    with pytest.raises(ValueError, match="a comparison needs"):
        compare(a, b)


def test_noise_is_the_largest_usual_difference_of_neighbours() -> None:
    assert noise_of([1.0]) == 0.0
    assert noise_of([1.0, 1.02, 1.02, 0.99]) == pytest.approx(1.02 / 0.99 - 1)
    rng = np.random.default_rng(2)
    medians = np.exp(rng.normal(0, 0.01, 4_000)).tolist()
    assert noise_of(medians) == pytest.approx(math.expm1(1.96 * 2**0.5 * 0.01), rel=0.05)


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

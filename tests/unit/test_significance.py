"""When two series of runs differ: known answers, Welch's interval, noise, how often chance decides."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from msearch_analysis.significance import Answer, Difference, difference_of, noise_of

MEDIANS = st.lists(st.floats(1e-3, 1e6), min_size=2, max_size=8)


def compare(first: Sequence[float], second: Sequence[float], **options: float) -> Difference:
    """The difference between the medians of the runs of two profiles."""
    return difference_of(np.log(first).tolist(), np.log(second).tolist(), **options)


def answer(first: Sequence[float], second: Sequence[float], *, less_is_better: bool = True) -> Answer:
    return compare(first, second).answer(less_is_better=less_is_better)


def shares(shift: float, spread: float, runs: int, trials: int) -> dict[Answer, float]:
    """How often each answer is given of pairs that differ by `shift`, each run by `spread`."""
    rng = np.random.default_rng(11)
    seen = dict.fromkeys(Answer, 0.0)
    for _ in range(trials):
        base = rng.normal(0.0, spread, runs).tolist()
        other = rng.normal(math.log1p(shift), spread, runs).tolist()
        seen[difference_of(base, other).answer(less_is_better=True)] += 1 / trials
    return seen


@pytest.mark.parametrize("runs", [3, 5, 10])
@pytest.mark.parametrize("spread", [0.005, 0.02, 0.1])
def test_equal_things_are_rarely_called_different(runs: int, spread: float) -> None:
    seen = shares(0.0, spread, runs, 2_000)
    # 5 % by construction, and three standard deviations of a share of 2,000 trials.
    assert seen[Answer.BETTER] + seen[Answer.WORSE] <= 0.05 + 0.015
    # Three runs do not say how far they scatter.
    assert (seen[Answer.SAME] > 0.5) == (spread == 0.005 or runs > 3)


def test_a_slowdown_of_5_percent_is_found_with_enough_runs() -> None:
    assert shares(0.05, 0.01, 5, 500)[Answer.WORSE] > 0.9
    assert shares(0.05, 0.03, 3, 500)[Answer.AMBIGUOUS] > 0.5


def test_a_real_difference_below_the_minimum_effect_is_the_same() -> None:
    assert shares(0.01, 0.002, 10, 500)[Answer.SAME] > 0.95


def test_direction_follows_what_is_better() -> None:
    base, other = [100.0, 101.0, 99.0], [120.0, 121.0, 119.0]
    assert answer(base, other) is Answer.WORSE
    assert answer(base, other, less_is_better=False) is Answer.BETTER
    assert answer(other, base) is Answer.BETTER


def test_the_interval_of_the_effect_is_welchs() -> None:
    base, other = [1.0, 1.1, 0.9, 1.05], [1.2, 1.5, 1.1]
    expected = stats.ttest_ind(np.log(other), np.log(base), equal_var=False).confidence_interval(0.95)
    found = compare(base, other)
    assert found.low is not None
    assert found.high is not None
    assert (math.log1p(found.low), math.log1p(found.high)) == pytest.approx((expected.low, expected.high))


@given(MEDIANS, MEDIANS)
def test_the_other_way_round_the_effect_is_the_inverse(first: list[float], second: list[float]) -> None:
    forth, back = compare(first, second), compare(second, first)
    assert (1 + forth.effect) * (1 + back.effect) == pytest.approx(1.0)
    assert forth.reach == pytest.approx(back.reach)


def test_one_run_a_side_is_ambiguous_whatever_the_effect() -> None:
    found = compare([1.0], [3.0])
    assert found.answer(less_is_better=True) is Answer.AMBIGUOUS
    assert found.effect == pytest.approx(2.0)
    assert (found.low, found.high) == (None, None)


def test_what_was_measured_earlier_raises_what_counts_as_different() -> None:
    base, other = np.log([1.0, 1.001, 0.999]).tolist(), np.log([1.05, 1.051, 1.049]).tolist()
    assert difference_of(base, other).answer(less_is_better=True) is Answer.WORSE
    for noise, expected in ((1.08, Answer.SAME), (1.051, Answer.AMBIGUOUS)):
        found = difference_of(base, other, earlier=[[0.0, math.log(noise)]])
        assert found.noise == pytest.approx(math.log(noise))
        assert found.answer(less_is_better=True) is expected


def test_noise_is_the_largest_usual_difference_of_neighbours() -> None:
    assert noise_of([[0.0]]) == 0.0
    assert noise_of([np.log([1.0, 1.02, 1.02, 0.99]).tolist()]) == pytest.approx(math.log(1.02 / 0.99))
    logarithms = np.random.default_rng(2).normal(0, 0.01, 4_000).tolist()
    assert noise_of([logarithms]) == pytest.approx(1.96 * 2**0.5 * 0.01, rel=0.05)

"""Arrival patterns against their distributions (profiling.md, section 8)."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from profiler_agent.errors import InvalidLoad
from profiler_agent.loadgen.arrivals import Wish, check_parameters, find_arrival, find_arrivals

SIGNIFICANCE = 0.001


def draw(name: str, rate: float, span: float, seed: int = 7, **values: float) -> np.ndarray:
    arrival = find_arrivals()[name]
    return arrival.draw(Wish(rate, span, check_parameters(arrival, values), np.random.default_rng(seed)))


def test_poisson_gaps_are_exponential() -> None:
    gaps = np.diff(draw("poisson", 200.0, 50.0))
    assert stats.kstest(gaps, stats.expon(scale=1 / 200.0).cdf).pvalue > SIGNIFICANCE


def test_constant_gaps_do_not_vary() -> None:
    gaps = np.diff(draw("constant", 128.0, 10.0))
    assert gaps.std() / gaps.mean() < 1e-9


@pytest.mark.parametrize("cv", [0.5, 1.0, 2.0])
def test_gamma_gaps_have_the_asked_variation(cv: float) -> None:
    gaps = np.diff(draw("gamma", 100.0, 400.0, cv=cv))
    assert stats.kstest(gaps, stats.gamma(1 / cv**2, scale=cv**2 / 100.0).cdf).pvalue > SIGNIFICANCE
    assert abs(gaps.std() / gaps.mean() - cv) < 0.1 * cv


def test_a_burst_comes_at_once_and_the_rate_holds() -> None:
    times = draw("burst", 100.0, 10.0, size=20)
    bursts, sizes = np.unique(times, return_counts=True)
    assert set(sizes) == {20}
    assert np.allclose(np.diff(bursts), 0.2)


def test_a_burst_may_be_spread_over_a_part_of_its_time() -> None:
    times = draw("burst", 100.0, 10.0, size=20, pause=0.5)
    assert times.size == 1000
    assert np.allclose(np.diff(times[:20]), 0.005)
    assert np.isclose(times[20], 0.2)
    assert np.allclose(draw("burst", 100.0, 10.0, size=20, pause=0), draw("constant", 100.0, 10.0))


def changed_clock(times: np.ndarray, cumulated: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """By the integral of its rate an inhomogeneous Poisson process becomes one of rate 1 (Papangelou 1972)."""
    return np.diff(np.interp(times, grid, cumulated))


@pytest.mark.parametrize("name", ["spike", "diurnal", "progressive"])
def test_a_varying_rate_is_poisson_on_its_own_clock(name: str) -> None:
    grid = np.linspace(0.0, 100.0, 100_001)
    rates = {
        "spike": np.where((grid >= 50) & (grid < 60), 500.0, 100.0),
        "diurnal": 100.0 * (1 + 0.8 * np.sin(2 * np.pi * grid / 100)),
        "progressive": 90.0 * np.linspace(0.1, 1.0, 10)[np.minimum((grid / 10).astype(int), 9)],
    }
    cumulated = np.concatenate([[0.0], np.cumsum((rates[name][1:] + rates[name][:-1]) / 2 * np.diff(grid))])
    gaps = changed_clock(draw(name, 100.0, 100.0), cumulated, grid)
    assert stats.kstest(gaps, stats.expon().cdf).pvalue > SIGNIFICANCE
    # The same test finds what is not so: an even clock.
    even = np.diff(draw(name, 100.0, 100.0)) * draw(name, 100.0, 100.0).size / 100.0
    assert stats.kstest(even, stats.expon().cdf).pvalue < SIGNIFICANCE


@pytest.mark.parametrize("name", ["poisson", "gamma", "spike", "diurnal", "progressive"])
def test_another_seed_gives_other_times(name: str) -> None:
    assert not np.array_equal(draw(name, 100.0, 3.0, seed=1), draw(name, 100.0, 3.0, seed=2))


def test_an_unknown_pattern_is_told_with_the_nearest() -> None:
    with pytest.raises(InvalidLoad, match="did you mean diurnal"):
        find_arrival("diurnall")
    with pytest.raises(InvalidLoad, match="known are burst, constant"):
        find_arrival("xyz")


def test_a_spike_multiplies_the_rate_within_its_window() -> None:
    times = draw("spike", 50.0, 100.0, factor=6, at=0.5, width=0.2)
    inside = ((times >= 50) & (times < 70)).sum() / 20
    outside = ((times < 50) | (times >= 70)).sum() / 80
    assert abs(inside / outside - 6) < 0.6


def test_a_day_swings_by_its_amplitude() -> None:
    times = draw("diurnal", 200.0, 100.0, amplitude=0.8, periods=1)
    # The first half of a sine lies above the mean by 2/pi of the amplitude, the second below.
    first, second = (times < 50).sum(), (times >= 50).sum()
    assert abs((first - second) / (first + second) - 0.8 * 2 / np.pi) < 0.03


def test_progressive_rates_climb_step_by_step_to_the_utilisation() -> None:
    times = draw("progressive", 400.0, 100.0, steps=5, utilisation=0.8, **{"from": 0.2})
    per_step = np.histogram(times, bins=5, range=(0, 100))[0] / 20
    assert np.allclose(per_step, 0.8 * 400.0 * np.linspace(0.2, 1.0, 5), rtol=0.1)

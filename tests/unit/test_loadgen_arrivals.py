"""Arrival patterns against their distributions (profiling.md, section 8)."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from profiler_agent.loadgen.arrivals import check_parameters, find_arrivals

SIGNIFICANCE = 0.001


def draw(name: str, rate: float, span: float, seed: int = 7, **values: float) -> np.ndarray:
    arrival = find_arrivals()[name]
    return arrival.draw(rate, span, check_parameters(arrival, values), np.random.default_rng(seed))


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


def test_progressive_rates_climb_step_by_step_to_the_asked_one() -> None:
    times = draw("progressive", 400.0, 100.0, steps=5, **{"from": 0.2})
    per_step = np.histogram(times, bins=5, range=(0, 100))[0] / 20
    assert np.allclose(per_step, 400.0 * np.linspace(0.2, 1.0, 5), rtol=0.1)

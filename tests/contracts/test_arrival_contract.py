"""What every arrival pattern promises."""

from __future__ import annotations

import numpy as np
import pytest

from profiler_agent.errors import InvalidLoad
from profiler_agent.loadgen.arrivals import Arrival, Wish, check_parameters, find_arrivals

ARRIVALS = find_arrivals()
STEADY = ("burst", "constant", "diurnal", "gamma", "poisson")
"""Patterns whose rate is the asked one on average."""

TRACE_S = (0.0, 0.5, 0.5, 2.75)


@pytest.fixture(params=sorted(ARRIVALS))
def arrival(request: pytest.FixtureRequest) -> Arrival:
    return ARRIVALS[request.param]


def draw(arrival: Arrival, rate: float, span: float, seed: int = 1, **values: float) -> np.ndarray:
    return arrival.draw(Wish(rate, span, check_parameters(arrival, values), np.random.default_rng(seed), TRACE_S))


def test_the_patterns_of_the_design_are_there() -> None:
    assert set(ARRIVALS) >= {"poisson", "constant", "gamma", "burst", "spike", "diurnal", "trace", "progressive"}


def test_times_ascend_within_the_span(arrival: Arrival) -> None:
    times = draw(arrival, 200.0, 5.0)
    assert times.size > 0
    assert times[0] >= 0
    assert times[-1] < 5.0
    assert (np.diff(times) >= 0).all()


def test_the_same_seed_gives_the_same_times(arrival: Arrival) -> None:
    assert np.array_equal(draw(arrival, 100.0, 3.0), draw(arrival, 100.0, 3.0))


@pytest.mark.parametrize("name", STEADY)
def test_the_mean_rate_is_the_asked_one(name: str) -> None:
    times = draw(ARRIVALS[name], 500.0, 100.0)
    # Gamma gaps with cv 2 spread the count by twice the square root of it; five of those.
    assert abs(times.size - 50_000) < 5 * 2 * 50_000**0.5


def test_every_extreme_of_its_parameters_can_be_drawn(arrival: Arrival) -> None:
    for name, parameter in arrival.parameters.items():
        for value in (parameter.lowest, parameter.highest):
            times = draw(arrival, 100.0, 2.0, **{name: value})
            assert np.isfinite(times).all()
            assert ((times >= 0) & (times < 2.0)).all()
            assert (np.diff(times) >= 0).all()


def test_defaults_lie_in_their_ranges(arrival: Arrival) -> None:
    for parameter in arrival.parameters.values():
        assert parameter.lowest <= parameter.default <= parameter.highest
        assert parameter.meaning


def test_an_unknown_parameter_is_refused_with_those_there_are(arrival: Arrival) -> None:
    with pytest.raises(InvalidLoad, match="has no parameter 'colour'"):
        check_parameters(arrival, {"colour": 1.0})


def test_a_parameter_out_of_range_is_refused(arrival: Arrival) -> None:
    for name, parameter in arrival.parameters.items():
        with pytest.raises(InvalidLoad, match=f"{name} of the arrival pattern {arrival.name}"):
            check_parameters(arrival, {name: parameter.highest * 2 + 1})

"""The formulas of M/D/1 and M/M/1 against simulated queues, and against each other."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from numpy.typing import NDArray

from tests import queueing


def simulated_responses(rate: float, services: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    """Lindley's recursion, as the maximum of a random walk."""
    gaps = np.random.default_rng(seed).exponential(1 / rate, services.size)
    walk = np.concatenate([[0.0], np.cumsum(services[:-1] - gaps[1:])])
    return walk - np.minimum.accumulate(walk) + services


@pytest.mark.parametrize("utilisation", [0.2, 0.5, 0.8])
@pytest.mark.parametrize("share", [0.5, 0.9, 0.99])
def test_md1_against_a_simulated_queue(utilisation: float, share: float) -> None:
    responses = simulated_responses(utilisation / 0.01, np.full(2_000_000, 0.01), seed=3)
    assert np.mean(responses) == pytest.approx(queueing.md1_mean_response(utilisation / 0.01, 0.01), rel=0.02)
    expected = queueing.md1_response_quantile(utilisation / 0.01, 0.01, share)
    assert np.quantile(responses, share) == pytest.approx(expected, rel=0.03)


@pytest.mark.parametrize("share", [0.5, 0.99])
def test_mm1_against_a_simulated_queue(share: float) -> None:
    services = np.random.default_rng(4).exponential(0.01, 2_000_000)
    responses = simulated_responses(70.0, services, seed=5)
    assert np.mean(responses) == pytest.approx(queueing.mm1_mean_response(70.0, 0.01), rel=0.03)
    assert np.quantile(responses, share) == pytest.approx(queueing.mm1_response_quantile(70.0, 0.01, share), rel=0.03)


@pytest.mark.parametrize("utilisation", [0.1, 0.6, 0.9, 0.97])
def test_md1_mean_is_that_of_its_distribution(utilisation: float) -> None:
    """Integrates 1 - P(wait <= t) and compares with Pollaczek and Khinchine."""
    times = np.arange(0.0, 120.0, 0.02) + 0.01
    beyond = [1.0 - queueing.md1_wait_cdf(utilisation, 1.0, float(time)) for time in times]
    assert sum(beyond) * 0.02 == pytest.approx(queueing.md1_mean_wait(utilisation, 1.0), rel=2e-3)


@pytest.mark.parametrize("utilisation", [0.3, 0.9])
def test_md1_distribution_rises_from_the_chance_of_an_idle_server_to_one(utilisation: float) -> None:
    chances = [queueing.md1_wait_cdf(utilisation, 1.0, time / 8) for time in range(800)]
    assert queueing.md1_wait_cdf(utilisation, 1.0, -0.1) == 0.0
    assert chances[0] == pytest.approx(1 - utilisation)
    assert all(earlier <= later + 1e-12 for earlier, later in itertools.pairwise(chances))
    assert chances[-1] == pytest.approx(1.0, abs=1e-6)


def test_mm1_waits_twice_as_long_as_md1() -> None:
    mm1_wait = queueing.mm1_mean_response(80.0, 0.01) - 0.01
    assert mm1_wait == pytest.approx(2 * queueing.md1_mean_wait(80.0, 0.01))


def test_mm1_wait_has_an_atom_at_zero_and_an_exponential_tail() -> None:
    assert queueing.mm1_wait_cdf(80.0, 0.01, 0.0) == pytest.approx(0.2)
    assert queueing.mm1_wait_cdf(80.0, 0.01, 0.05) == pytest.approx(1 - 0.8 * math.exp(-20 * 0.05))


def test_an_idle_md1_server_answers_in_its_service_time() -> None:
    assert queueing.md1_response_quantile(10.0, 0.01, 0.5) == pytest.approx(0.01)


@pytest.mark.parametrize("rate", [0.0, 100.0, 150.0, -1.0])
def test_no_equilibrium_no_answer(rate: float) -> None:
    for function in (queueing.md1_mean_wait, queueing.mm1_mean_response, queueing.md1_mean_response):
        with pytest.raises(ValueError, match="equilibrium"):
            function(rate, 0.01)

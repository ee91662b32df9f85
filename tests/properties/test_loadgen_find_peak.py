"""find_peak against made-up systems whose peak is known."""

from __future__ import annotations

import contextlib
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from profiler_agent.errors import InvalidLoad
from profiler_agent.loadgen.find_peak import MOST_TRIALS, TOLERANCE, Trial, find_peak
from profiler_agent.work import InvalidReason
from tests.queueing import md1_response_quantile

rates = st.floats(0.5, 50_000)


def trial(rate: float, peak: float, *rules: str) -> Trial:
    reasons = tuple(InvalidReason(rule, "") for rule in rules)
    return Trial(rate=rate, p99_ms=10 * rate / peak, meets=rate <= peak, valid=not reasons, reasons=reasons)


@given(peak=rates, start=rates)
def test_it_finds_the_largest_rate_that_meets_the_limit(peak: float, start: float) -> None:
    found = find_peak(lambda rate: trial(rate, peak), p99_limit_ms=10, start_rate=start, most_trials=60)
    assert found.rate <= peak
    assert found.rate >= peak / (1 + TOLERANCE) / 1.0001


@given(peak=rates, start=rates)
def test_trials_are_bounded(peak: float, start: float) -> None:
    made: list[float] = []

    def measure(rate: float) -> Trial:
        made.append(rate)
        return trial(rate, peak)

    with contextlib.suppress(InvalidLoad):  # too far from the start for so few trials
        find_peak(measure, p99_limit_ms=10, start_rate=start)
    assert len(made) <= MOST_TRIALS + 1


def test_a_run_that_falls_behind_does_not_meet_the_limit_and_is_not_repeated() -> None:
    made: list[float] = []

    def measure(rate: float) -> Trial:
        made.append(rate)
        return trial(rate, 100) if rate <= 100 else trial(rate, 100, "in_flight_cap")

    assert find_peak(measure, p99_limit_ms=10, start_rate=100).rate == 100
    beyond = [rate for rate in made if rate > 100]
    assert len(beyond) == len(set(beyond))


def test_a_run_that_was_cut_short_is_one_that_falls_behind_whatever_else_it_broke() -> None:
    assert trial(5, 1, "max_duration", "failed_requests", "too_few_queries").overloaded
    assert not trial(5, 1, "disturbed", "unsteady").overloaded
    assert not trial(5, 1, "failed_requests").overloaded
    assert not trial(5, 10).overloaded


def test_a_rate_that_passed_by_luck_is_not_the_answer() -> None:
    lucky = {160.0}

    def measure(rate: float) -> Trial:
        if rate in lucky:
            lucky.discard(rate)
            return trial(rate, rate)
        return trial(rate, 100)

    found = find_peak(measure, p99_limit_ms=10, start_rate=80)
    assert found.rate <= 100
    assert found.rate >= 100 / (1 + TOLERANCE)
    assert [tried.meets for tried in found.trials if tried.rate == 160] == [True, False]


@settings(deadline=None)
@given(
    utilisation=st.floats(0.2, 0.95),
    service_ms=st.floats(0.1, 50),
    start=st.floats(0.02, 4),
    seed=st.integers(0, 2**32 - 1),
    noise=st.floats(0, 0.05),
)
def test_it_finds_the_peak_of_a_noisy_queue(
    utilisation: float, service_ms: float, start: float, seed: int, noise: float
) -> None:
    """M/D/1 whose p99 is measured with noise: the rate found lies between those where the noise could decide."""
    service_s = service_ms / 1e3
    rng = np.random.default_rng(seed)

    def p99_ms(rate: float) -> float:
        return md1_response_quantile(rate, service_s, 0.99) * 1e3

    limit = p99_ms(utilisation / service_s)

    def measure(rate: float) -> Trial:
        if rate * service_s >= 0.99:
            return trial(rate, rate, "unsteady", "rate_missed")
        value = p99_ms(rate) * math.exp(rng.uniform(-noise, noise))
        return Trial(rate=rate, p99_ms=value, meets=value <= limit, valid=True)

    found = find_peak(measure, p99_limit_ms=limit, start_rate=start / service_s, most_trials=60)
    assert p99_ms(found.rate) <= limit * math.exp(noise)
    above = found.rate * (1 + TOLERANCE) * 1.0001
    assert above * service_s >= 0.99 or p99_ms(above) >= limit * math.exp(-noise)


def test_nothing_is_tried_below_the_lowest_rate() -> None:
    made: list[float] = []

    def measure(rate: float) -> Trial:
        made.append(rate)
        return trial(rate, 1)

    with pytest.raises(InvalidLoad, match="no rate meets"):
        find_peak(measure, p99_limit_ms=10, start_rate=100, lowest_rate=11)
    assert made == [100, 50, 25, 12.5]
    with pytest.raises(InvalidLoad, match="below its lowest rate of 11"):
        find_peak(measure, p99_limit_ms=10, start_rate=10, lowest_rate=11)


def test_runs_that_stay_invalid_are_told() -> None:
    with pytest.raises(InvalidLoad, match="runs were invalid: disturbed"):
        find_peak(lambda rate: trial(rate, 1e9, "disturbed"), p99_limit_ms=10, start_rate=100)


def test_a_disturbed_run_is_repeated_before_it_is_believed() -> None:
    disturbed = {100.0}

    def measure(rate: float) -> Trial:
        if rate in disturbed:
            disturbed.discard(rate)
            return trial(rate, 100, "disturbed")
        return trial(rate, 100)

    assert find_peak(measure, p99_limit_ms=10, start_rate=100).rate == 100


def test_a_limit_that_no_rate_meets_is_told_with_what_was_measured() -> None:
    with pytest.raises(InvalidLoad, match="no rate meets a p99 of 10 ms"):
        find_peak(lambda rate: Trial(rate=rate, p99_ms=25.0, meets=False, valid=True), p99_limit_ms=10, start_rate=8)


def test_a_limit_is_needed() -> None:
    with pytest.raises(InvalidLoad, match="needs a limit"):
        find_peak(lambda rate: trial(rate, 1), p99_limit_ms=0, start_rate=1)

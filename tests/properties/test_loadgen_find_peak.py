"""find_peak against made-up systems whose peak is known."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiler_agent.errors import InvalidLoad
from profiler_agent.loadgen.find_peak import MOST_TRIALS, TOLERANCE, Trial, find_peak
from profiler_agent.work import InvalidReason

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
    assert len(made) == len(set(made))


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

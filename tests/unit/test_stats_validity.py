"""Runs made up request by request, and which rules they break."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from profiler_agent.stats.littles_law import littles_law
from profiler_agent.stats.pace import pace_of, saturation
from profiler_agent.stats.timeline import Timeline
from profiler_agent.stats.validity import judge, run_timeline
from profiler_agent.work import InvalidReason, Load, RunLimits, Scenario

MS = 1_000_000
SERVER = Load(scenario=Scenario.SERVER, rate_per_s=300.0, p99_limit_ms=20.0)
SINGLE = Load(scenario=Scenario.SINGLE_STREAM)
OFFLINE = Load(scenario=Scenario.OFFLINE)
LIMITS = RunLimits()


def open_run(
    count: int = 700,
    rate: float = 300.0,
    service_ms: float | NDArray[np.float64] = 1.0,
    *,
    late_ms: float | NDArray[np.float64] = 0.0,
    failed: int = 0,
    load: Load = SERVER,
    seed: int = 1,
) -> Timeline:
    """Poisson arrivals at a single server; with `late_ms` the generator sends that much later."""
    scheduled = np.cumsum(np.random.default_rng(seed).exponential(1e9 / rate, count))
    sent = scheduled + np.broadcast_to(late_ms, count) * MS
    finished = np.empty(count)
    free = 0.0
    for i, (ready, service) in enumerate(zip(sent, np.broadcast_to(service_ms, count) * MS, strict=True)):
        free = finished[i] = max(ready, free) + service
    started = finished - np.broadcast_to(service_ms, count) * MS
    return run_timeline(
        load,
        scheduled_ns=scheduled.astype(np.int64),
        sent_ns=sent.astype(np.int64),
        started_ns=started.astype(np.int64),
        finished_ns=finished.astype(np.int64),
        failed=np.arange(count) < failed,
    )


def closed_run(latencies_ms: NDArray[np.float64], *, between_ms: float = 0.0, load: Load = SINGLE) -> Timeline:
    """One client; `between_ms` passes between an answer and the next request."""
    finished = (np.cumsum(latencies_ms + between_ms) * MS).astype(np.int64)
    scheduled = finished - (latencies_ms * MS).astype(np.int64)
    return run_timeline(
        load,
        scheduled_ns=scheduled,
        sent_ns=scheduled,
        started_ns=scheduled,
        finished_ns=finished,
        failed=np.zeros(len(latencies_ms)),
    )


def noisy(count: int, scale: float = 3.0, spread: float = 0.05) -> NDArray[np.float64]:
    return scale * np.exp(np.random.default_rng(9).normal(0, spread, count))


def rules(reasons: tuple[InvalidReason, ...]) -> list[str]:
    return [reason.rule for reason in reasons]


def only(reasons: tuple[InvalidReason, ...]) -> InvalidReason:
    assert len(reasons) == 1, reasons
    return reasons[0]


def test_sound_runs_break_no_rule() -> None:
    assert judge(open_run(), SERVER, LIMITS) == ()
    assert judge(closed_run(noisy(700)), SINGLE, LIMITS) == ()


@pytest.mark.parametrize("seed", range(20))
def test_a_server_at_half_of_its_capacity_is_valid_whatever_the_seed(seed: int) -> None:
    assert judge(open_run(seed=seed, service_ms=1.5), SERVER, LIMITS) == ()


def test_both_minima_must_be_met() -> None:
    short = closed_run(noisy(700, scale=1.0))
    assert only(judge(short, SINGLE, LIMITS)) == InvalidReason(
        "too_short", "the run lasted 0.701 s, at least 2 s are asked"
    )
    few = closed_run(noisy(600, scale=5.0))
    assert only(judge(few, SINGLE, LIMITS)) == InvalidReason(
        "too_few_queries", "600 requests were answered, at least 662 are asked"
    )


def test_a_schedule_that_ends_by_chance_a_little_early_is_long_enough() -> None:
    run = open_run(count=662)
    lasted = run.span_s
    assert judge(run, SERVER, replace(LIMITS, min_duration_s=lasted + 0.01)) == ()
    assert rules(judge(run, SERVER, replace(LIMITS, min_duration_s=lasted + 0.1))) == ["too_short"]


def test_the_percentile_asked_for_needs_its_samples() -> None:
    few = replace(LIMITS, min_queries=100)
    run = open_run(count=661)
    assert only(judge(run, SERVER, replace(few, min_duration_s=1))) == InvalidReason(
        "too_few_samples", "p99 needs 662 requests at confidence 0.99, there are 661"
    )
    assert judge(run, replace(SERVER, p99_limit_ms=0.0), replace(few, min_duration_s=1)) == ()
    assert rules(judge(run, SERVER, replace(few, min_duration_s=1), percent=99.9)) == ["too_few_samples"]


def test_nothing_answered_is_said_once_for_each_rule_and_breaks_nothing_else() -> None:
    run = open_run(count=700, failed=700)
    assert rules(judge(run, SERVER, LIMITS)) == ["failed_requests", "too_short", "too_few_queries", "too_few_samples"]


def test_one_failed_request_is_too_many() -> None:
    reason = only(judge(open_run(count=701, failed=1), SERVER, LIMITS, first_error="RuntimeError: shape"))
    assert reason.rule == "failed_requests"
    assert reason.detail == "1 of 701 requests failed, none may; the first: RuntimeError: shape"


def test_runs_cut_short_are_told() -> None:
    reasons = judge(open_run(), SERVER, LIMITS, capped=True, stopped_early=True)
    assert rules(reasons) == ["in_flight_cap", "max_duration"]
    assert "60 s" in reasons[1].detail


def late_in(count: int, by_ms: float) -> NDArray[np.float64]:
    late = np.zeros(700)
    late[np.linspace(10, 690, count).astype(int)] = by_ms
    return late


def test_one_percent_of_requests_may_be_sent_late() -> None:
    assert judge(open_run(late_ms=late_in(7, 1.2)), SERVER, LIMITS) == ()
    reason = only(judge(open_run(late_ms=late_in(8, 1.2)), SERVER, LIMITS))
    assert reason.rule == "late_generator"
    assert reason.detail == "8 of 700 requests (1.1%) were sent more than 1 ms late, at most 1% may be"


def test_late_means_one_percent_of_the_median_where_that_is_longer() -> None:
    slow = replace(SERVER, rate_per_s=2.0)
    run = open_run(rate=2.0, service_ms=200.0, late_ms=late_in(60, 1.9), load=slow)
    assert pace_of(run).late_after_ns >= 2 * MS
    assert judge(run, slow, LIMITS) == ()


def test_a_generator_that_sends_ever_later_misses_the_rate_and_says_nothing_of_the_target() -> None:
    run = open_run(late_ms=np.linspace(0.0, 100.0, 700))
    reasons = judge(run, SERVER, LIMITS)
    assert {"late_generator", "rate_missed"} <= set(rules(reasons))
    missed = next(reason for reason in reasons if reason.rule == "rate_missed")
    assert "% of the" in missed.detail
    assert saturation(run) == ""


def test_a_target_slower_than_the_load_is_saturated_and_the_generator_not_blamed() -> None:
    run = open_run(service_ms=4.0)
    reasons = judge(run, SERVER, LIMITS)
    assert "rate_missed" not in rules(reasons)
    assert "late_generator" not in rules(reasons)
    unsteady = next(reason for reason in reasons if reason.rule == "unsteady")
    assert "saturated: answered " in unsteady.detail
    assert pace_of(run).served_share * pace_of(run).asked_per_s == pytest.approx(250.0, rel=0.06)


def test_a_busy_target_is_not_called_saturated() -> None:
    for seed in range(10):
        assert saturation(open_run(service_ms=2.4, seed=seed)) == ""


def test_a_target_that_slows_down_is_unsteady() -> None:
    slower = noisy(700)
    slower[470:] *= 1.3
    reason = only(judge(closed_run(slower), SINGLE, LIMITS))
    assert reason.rule == "unsteady"
    assert "median latency was 3.01 ms, 3 ms, 3.8" in reason.detail
    assert "throughput was " in reason.detail
    assert "at most 10% are allowed" in reason.detail


def test_a_difference_within_ten_percent_is_steady() -> None:
    slower = noisy(700)
    slower[470:] *= 1.07
    assert judge(closed_run(slower), SINGLE, LIMITS) == ()


def test_a_difference_that_chance_explains_is_steady() -> None:
    """Windows of exponential latencies differ by more than 10 % although nothing changes."""
    unsteady = 0
    for seed in range(200):
        run = closed_run(np.random.default_rng(seed).exponential(3.5, 700))
        unsteady += "unsteady" in rules(judge(run, SINGLE, replace(LIMITS, min_duration_s=1)))
    assert unsteady / 200 <= 0.04


def test_slow_warm_up_left_in_the_run_is_unsteady() -> None:
    warming = noisy(700) * np.concatenate([np.linspace(3, 1, 250), np.ones(450)])
    assert rules(judge(closed_run(warming), SINGLE, LIMITS)) == ["unsteady"]


@pytest.mark.parametrize("arrival", ["burst", "spike", "diurnal", "trace", "progressive"])
def test_loads_that_change_on_purpose_need_not_be_steady(arrival: str) -> None:
    load = replace(SERVER, arrival=arrival)
    service = np.where(np.arange(700) > 350, 2.4, 0.5)
    assert "unsteady" in rules(judge(open_run(service_ms=service), SERVER, LIMITS))
    assert judge(open_run(service_ms=service, load=load), load, LIMITS) == ()


def test_offline_is_judged_by_execution_not_by_waiting() -> None:
    def run(latencies: NDArray[np.float64]) -> Timeline:
        finished = (np.cumsum(latencies) * MS).astype(np.int64)
        started = finished - (latencies * MS).astype(np.int64)
        zeros: Any = np.zeros(len(latencies), np.int64)
        return run_timeline(
            OFFLINE, scheduled_ns=zeros, sent_ns=zeros, started_ns=started, finished_ns=finished, failed=zeros
        )

    assert judge(run(noisy(700)), OFFLINE, LIMITS) == ()
    slower = noisy(700)
    slower[:200] *= 1.4
    assert rules(judge(run(slower), OFFLINE, LIMITS)) == ["unsteady"]


def test_a_client_that_dawdles_between_requests_breaks_littles_law() -> None:
    reason = only(judge(closed_run(noisy(700), between_ms=0.5), SINGLE, LIMITS))
    assert reason.rule == "littles_law"
    assert reason.detail.startswith("1 clients were to wait at any time, throughput times mean latency is 0.85")
    assert judge(closed_run(noisy(700), between_ms=0.2), SINGLE, LIMITS) == ()


def test_concurrent_clients_are_counted() -> None:
    load = Load(scenario=Scenario.CONCURRENCY, streams=4)
    latencies = noisy(1_000, scale=10.0)
    finished = np.concatenate([np.cumsum(part) for part in np.split(latencies, 4)]) * MS
    scheduled = finished - latencies * MS

    def run(clients: int) -> Timeline:
        times = {"scheduled_ns": scheduled, "sent_ns": scheduled, "started_ns": scheduled, "finished_ns": finished}
        return run_timeline(replace(load, streams=clients), **times, failed=np.zeros(1_000))

    assert judge(run(4), load, LIMITS) == ()
    assert rules(judge(run(4), replace(load, streams=5), LIMITS)) == ["littles_law"]


def test_a_backlog_that_grows_breaks_littles_law() -> None:
    assert "littles_law" in rules(judge(open_run(service_ms=4.5), SERVER, LIMITS))


def test_littles_law_holds_for_busy_servers() -> None:
    for seed in range(20):
        law = littles_law(open_run(service_ms=2.0, seed=seed), 1)
        assert law is not None
        assert law.holds


def test_arrays_of_different_length_are_refused() -> None:
    ones: Any = np.ones(3)
    with pytest.raises(ValueError, match=r"lengths \[3, 3, 3, 2\] and 3"):
        run_timeline(SERVER, scheduled_ns=ones, sent_ns=ones, started_ns=ones, finished_ns=np.ones(2), failed=ones)

"""The load generator on targets whose behaviour is known (profiling.md, section 8), in simulated time: to the
nanosecond, and whatever the host does meanwhile."""

from __future__ import annotations

import numpy as np
import pytest

from profiler_agent.errors import InvalidLoad
from profiler_agent.loadgen.load_text import parse_load
from profiler_agent.loadgen.open_loop import drive_schedule
from profiler_agent.loadgen.requests import Requests
from profiler_agent.loadgen.scenarios import drive
from profiler_agent.loadgen.schedule import draw_schedule
from profiler_agent.loadgen.target import Target
from profiler_agent.stats.percentiles import nearest_rank
from profiler_agent.work import RunLimits
from tests.simulated_clock import SimulatedClock
from tests.timed_targets import FailingTarget, HungTarget, TimedTarget

MS = 1_000_000
SHORT = RunLimits(min_duration_s=0.3, min_queries=20, max_duration_s=10.0)


def run(target: Target, clock: SimulatedClock, text: str, limits: RunLimits = SHORT, *, workers: int = 1) -> Requests:
    return drive(target, parse_load(text), limits, seed=1, workers=workers, clock=clock)


def timed(service_ms: float = 1.0, **changes: int) -> tuple[TimedTarget, SimulatedClock]:
    clock = SimulatedClock()
    return TimedTarget(clock, lambda _: service_ms / 1e3, **changes), clock


def test_a_stall_counts_against_every_request_it_delayed() -> None:
    clock = SimulatedClock()
    stalling = TimedTarget(clock, lambda number: 3.0 if number == 500 else 1e-4)
    requests = run(stalling, clock, "server:100,constant", RunLimits(min_duration_s=20.0, min_queries=2000))
    assert not requests.failed.any()
    # 300 requests fall due during the stall: the first of them waits 2.99 s, the last hardly at all.
    assert nearest_rank(requests.response_ns, 99) > 2.5e9
    assert (requests.response_ns > 10 * MS).sum() == pytest.approx(300, abs=5)
    # From the start of execution a single request shows it, and the p99 none of it.
    assert nearest_rank(requests.service_ns, 99) == 100_000
    assert (requests.service_ns > MS).sum() == 1
    assert (requests.dispatch_ns == 0).all()


def test_requests_are_sent_when_due_whatever_is_unanswered() -> None:
    target, clock = timed(20)
    requests = run(target, clock, "server:200,constant")
    assert (requests.sent_ns == requests.scheduled_ns).all()
    # It answers 50 a second, a quarter of what comes.
    assert requests.response_ns[-1] == pytest.approx(0.75 * 20 * MS * requests.count, rel=0.05)


def test_the_cap_on_requests_in_flight_ends_the_run_instead_of_throttling_it() -> None:
    target, clock = timed(20)
    schedule = draw_schedule(parse_load("server:2000,constant"), duration_s=0.5, min_queries=1, pool=4, seed=1)
    requests = drive_schedule(target, schedule, max_duration_s=3.0, most_in_flight=64, clock=clock)
    assert requests.capped
    assert 64 <= requests.count <= 64 + 32
    assert (requests.sent_ns == requests.scheduled_ns).all()
    # What waited was dropped: it is told, and no call goes on behind the back of whoever drove.
    assert requests.failed.sum() == requests.count - len(target.calls)
    assert "not answered in time" in requests.first_error


def test_a_failing_request_is_recorded_and_the_others_go_on() -> None:
    clock = SimulatedClock()
    requests = run(FailingTarget(clock), clock, "server:400,constant")
    assert requests.failed.mean() == pytest.approx(0.25, abs=0.02)
    assert requests.first_error == "ValueError: sample 3 is bad"
    assert (requests.service_ns == MS).all()


@pytest.mark.parametrize("text", ["server:200,constant", "server:200,constant,batch=4,wait_ms=1"])
def test_a_target_that_hangs_is_given_up_after_a_grace(text: str) -> None:
    clock = SimulatedClock()
    requests = run(HungTarget(clock), clock, text, RunLimits(min_duration_s=0.2, min_queries=5, max_duration_s=0.5))
    assert requests.stopped_early
    assert "not answered in time" in requests.first_error
    assert requests.failed[3:].all()
    assert not requests.failed[:3].any()
    # The longest duration and the grace of 5 s, whatever more.
    assert requests.finished_ns.max() == 5_500 * MS


@pytest.mark.parametrize("text", ["single_stream", "concurrency:3"])
def test_a_closed_loop_gives_a_hung_target_up_too(text: str) -> None:
    clock = SimulatedClock()
    requests = run(HungTarget(clock), clock, text, RunLimits(min_queries=5, max_duration_s=0.5))
    assert requests.stopped_early
    assert requests.count == 3
    assert "not answered in time" in requests.first_error


def test_a_target_that_falls_behind_is_stopped_at_the_longest_duration() -> None:
    target, clock = timed(100)
    limits = RunLimits(min_duration_s=1.0, min_queries=10, max_duration_s=2.0)
    requests = run(target, clock, "server:100,constant", limits)
    assert requests.stopped_early
    assert requests.count == 100
    # Twenty calls fit; the one under way is waited for, and nothing is begun afterwards.
    assert len(target.calls) == 20
    assert requests.failed.sum() == 80


def test_a_schedule_beyond_the_longest_duration_is_cut() -> None:
    target, clock = timed()
    requests = run(target, clock, "server:10,constant", RunLimits(min_queries=662, max_duration_s=3.0))
    assert requests.stopped_early
    assert requests.scheduled_ns.max() == 2900 * MS
    assert not requests.failed.any()


def test_the_longest_duration_ends_a_closed_loop() -> None:
    target, clock = timed()
    requests = run(target, clock, "single_stream", RunLimits(min_queries=10**6, max_duration_s=0.2))
    assert requests.stopped_early
    assert requests.count == 200


def test_single_stream_sends_the_next_when_the_last_is_answered() -> None:
    target, clock = timed()
    requests = run(target, clock, "single_stream")
    assert requests.count == 300
    assert (requests.scheduled_ns[1:] == requests.finished_ns[:-1]).all()
    assert (requests.response_ns == MS).all()


def test_multi_stream_sends_several_samples_a_query() -> None:
    target, clock = timed()
    requests = run(target, clock, "multi_stream:8")
    assert {len(call) for call in target.calls} == {8}
    assert len({sample for call in target.calls[:8] for sample in call}) == 64
    assert requests.count == len(target.calls)


def test_offline_requests_all_wait_from_the_beginning() -> None:
    target, clock = timed()
    requests = run(target, clock, "offline")
    assert (requests.scheduled_ns == 0).all()
    assert (np.diff(requests.started_ns) == MS).all()


@pytest.mark.parametrize("clients", [1, 4])
def test_so_many_clients_wait_at_any_time(clients: int) -> None:
    target, clock = timed()
    requests = run(target, clock, f"concurrency:{clients}")
    # Little's law with one server: response = clients x service.
    assert set(requests.response_ns[clients:].tolist()) == {clients * MS}


def test_workers_answer_at_the_same_time() -> None:
    target, clock = timed(10)
    requests = run(target, clock, "server:300,constant", workers=4)
    assert requests.response_ns.max() == 10 * MS
    target, clock = timed(10)
    assert run(target, clock, "server:300,constant", workers=2).response_ns.max() > 20 * MS


def test_batches_hold_what_came_within_the_wait() -> None:
    target, clock = timed(0.1)
    requests = run(target, clock, "server:1000,constant,batch=4,wait_ms=50")
    assert {len(call) for call in target.calls[:-1]} == {4}
    assert set(requests.batch_sizes[:-4].tolist()) == {4}
    # The first of a batch waits for three more, a millisecond apart; the last not at all: what batching costs.
    waits = requests.queue_ns[: requests.count // 4 * 4].reshape(-1, 4)
    assert (waits == [3 * MS, 2 * MS, MS, 0]).all()


def test_a_lone_request_waits_no_longer_than_the_longest_wait() -> None:
    target, clock = timed(0)
    requests = run(target, clock, "server:20,constant,batch=8,wait_ms=5")
    assert set(requests.batch_sizes.tolist()) == {1}
    # The last one is answered at once, since no more will come.
    assert set(requests.queue_ns[:-1].tolist()) == {5 * MS}


def test_a_busy_target_finds_a_full_batch_when_it_comes_back() -> None:
    target, clock = timed(20)
    requests = run(target, clock, "server:400,constant,batch=16,wait_ms=1")
    # Eight requests come during a call; their first has waited longer than the longest wait already.
    assert np.median(requests.batch_sizes) == 8
    assert requests.response_ns[10:].max() <= 41 * MS


def test_clients_of_a_closed_loop_are_joined_into_batches() -> None:
    target, clock = timed()
    requests = run(target, clock, "concurrency:8,batch=4,wait_ms=1")
    assert {len(call) for call in target.calls} == {4}
    assert set(requests.response_ns[8:].tolist()) == {2 * MS}


def test_samples_are_distinct_until_all_were_asked_for() -> None:
    target, clock = timed()
    run(target, clock, "server:400,constant")
    assert len({call[0] for call in target.calls[:64]}) == 64


def test_a_target_that_keeps_answers_shows_in_repeated_samples() -> None:
    from profiler_agent.verification.invariance import judge_caching

    clock, seen = SimulatedClock(), set()

    def keeping(_: int) -> float:
        sample = target.calls[-1][0]
        known = sample in seen
        seen.add(sample)
        return 5e-5 if known else 2e-3

    target = TimedTarget(clock, keeping)
    requests = run(target, clock, "server:200,constant", RunLimits(min_duration_s=0.1, min_queries=128))
    assert judge_caching(requests.service_ns[:64], requests.service_ns[64:128]).cached


def test_the_same_seed_gives_the_same_run() -> None:
    first, second = (run(*timed(), "server:300,gamma,cv=3") for _ in range(2))
    assert first.schedule_digest == second.schedule_digest
    assert np.array_equal(first.finished_ns, second.finished_ns)


def test_find_peak_is_no_single_run() -> None:
    target, clock = timed()
    with pytest.raises(InvalidLoad, match="find_peak is a search"):
        run(target, clock, "find_peak:20")

"""The load generator on targets whose behaviour is known (profiling.md, section 8). Shares and orders are asserted,
never how long the host took."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np
import pytest

from profiler_agent.errors import InvalidLoad
from profiler_agent.loadgen.load_text import parse_load
from profiler_agent.loadgen.open_loop import drive_schedule
from profiler_agent.loadgen.requests import Requests
from profiler_agent.loadgen.scenarios import drive
from profiler_agent.loadgen.schedule import draw_schedule
from profiler_agent.loadgen.target import Target
from profiler_agent.stats.queueing import md1_mean_wait, mm1_mean_response
from profiler_agent.work import RunLimits
from tests.timed_targets import FailingTarget, HungTarget, TimedTarget

MS = 1e-3
SHORT = RunLimits(min_duration_s=0.3, min_queries=20, max_duration_s=10.0)


def run(target: Target, text: str, limits: RunLimits = SHORT, seed: int = 1) -> Requests:
    return drive(target, parse_load(text), limits, seed=seed)


@pytest.fixture
def release() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


def test_a_stall_counts_against_every_request_it_delayed() -> None:
    stalled = TimedTarget(lambda number: 0.4 if number == 50 else 0.1 * MS)
    requests = run(stalled, "server:500,constant", RunLimits(min_duration_s=1.0, min_queries=500))
    assert not requests.failed.any()
    # 0.4 s at 500/s: about 200 requests fall due meanwhile; from the send or the start only one shows it.
    late = requests.response_ns > 20e6
    assert 150 <= late.sum() <= 260
    assert np.percentile(requests.response_ns, 90) > 100e6
    assert (requests.service_ns > 20e6).sum() == 1
    assert np.median(requests.dispatch_ns) < 5e6


def test_requests_are_sent_when_due_whatever_is_unanswered() -> None:
    slow = TimedTarget(lambda _: 20 * MS)
    requests = run(slow, "server:200,constant", RunLimits(min_duration_s=0.5, min_queries=100))
    # The target answers 50 a second, a quarter of what comes: the last request waits for most of the others.
    assert requests.sent_ns[-1] < requests.finished_ns[len(requests.finished_ns) // 2]
    assert requests.response_ns[-1] > 1e9


def test_the_cap_on_requests_in_flight_ends_the_run_instead_of_throttling_it() -> None:
    schedule = draw_schedule(parse_load("server:2000,constant"), duration_s=0.5, min_queries=1, pool=4, seed=1)
    slow = TimedTarget(lambda _: 20 * MS)
    requests = drive_schedule(slow, schedule, max_duration_s=3.0, most_in_flight=64)
    assert requests.capped
    assert requests.count < schedule.count


def test_a_failing_request_is_recorded_and_the_others_go_on() -> None:
    requests = run(FailingTarget(), "server:400,constant")
    assert requests.failed.mean() == pytest.approx(0.25, abs=0.02)
    assert requests.first_error == "ValueError: sample 3 is bad"
    assert (requests.finished_ns > 0).all()


@pytest.mark.parametrize("text", ["server:200,constant", "single_stream", "concurrency:3"])
def test_a_target_that_hangs_is_given_up(text: str, release: threading.Event) -> None:
    schedule = RunLimits(min_duration_s=0.2, min_queries=5, max_duration_s=0.3)
    load = parse_load(text)
    hung = HungTarget(release)
    if load.rate_per_s:
        drawn = draw_schedule(load, duration_s=0.2, min_queries=5, pool=4, seed=1)
        requests = drive_schedule(hung, drawn, max_duration_s=0.3, grace_s=0.2)
        assert requests.failed.sum() == requests.count - 3
    else:
        from profiler_agent.loadgen.closed_loop import drive_clients

        requests = drive_clients(hung, load, schedule, seed=1, grace_s=0.2)
        assert requests.count == 3
    assert requests.stopped_early
    assert "not answered in time" in requests.first_error


def test_the_longest_duration_ends_a_run() -> None:
    requests = run(TimedTarget(lambda _: MS), "single_stream", RunLimits(min_queries=10**6, max_duration_s=0.2))
    assert requests.stopped_early
    assert requests.count < 10**6


def test_single_stream_sends_the_next_when_the_last_is_answered() -> None:
    requests = run(TimedTarget(lambda _: MS), "single_stream")
    assert (requests.scheduled_ns[1:] == requests.finished_ns[:-1]).all()
    assert (requests.response_ns >= 1e6).all()


def test_multi_stream_sends_several_samples_a_query() -> None:
    target = TimedTarget(lambda _: 0)
    run(target, "multi_stream:8")
    assert {len(call) for call in target.calls} == {8}


def test_offline_requests_all_wait_from_the_beginning() -> None:
    requests = run(TimedTarget(lambda _: MS), "offline")
    assert (requests.scheduled_ns == 0).all()
    assert (np.diff(requests.started_ns) > 0).all()


@pytest.mark.parametrize("clients", [1, 4])
def test_so_many_clients_wait_at_any_time(clients: int) -> None:
    requests = run(TimedTarget(lambda _: MS), f"concurrency:{clients}")
    # By Little's law with one server: response = clients x service.
    ratio = np.median(requests.response_ns[clients:]) / np.median(requests.service_ns)
    assert ratio == pytest.approx(clients, rel=0.15)


def test_batches_hold_what_came_within_the_wait() -> None:
    target = TimedTarget(lambda _: 0.1 * MS)
    requests = run(target, "server:1000,constant,batch=4,wait_ms=50")
    assert max(len(call) for call in target.calls) == 4
    assert np.median(requests.batch_sizes) == 4
    # The first of a batch waits for three more, a millisecond apart; the last hardly at all.
    waits = (requests.started_ns - requests.sent_ns).reshape(-1)[: requests.count // 4 * 4].reshape(-1, 4)
    assert (np.median(waits, axis=0)[0] - np.median(waits, axis=0)[3]) == pytest.approx(3e6, rel=0.2)


def test_a_lone_request_waits_no_longer_than_the_longest_wait() -> None:
    target = TimedTarget(lambda _: 0)
    requests = run(target, "server:20,constant,batch=8,wait_ms=5", RunLimits(min_duration_s=0.5, min_queries=5))
    assert set(requests.batch_sizes.tolist()) == {1}
    assert np.median(requests.queue_ns) >= 5e6


def test_samples_are_distinct_until_all_were_asked_for() -> None:
    target = TimedTarget(lambda _: 0, samples=64)
    run(target, "server:400,constant")
    assert len({call[0] for call in target.calls[:64]}) == 64


def test_a_target_that_keeps_answers_shows_in_repeated_samples() -> None:
    from profiler_agent.verification.invariance import judge_caching

    seen: set[int] = set()

    def keeping(number: int) -> float:
        sample = target.calls[-1][0]
        known = sample in seen
        seen.add(sample)
        return 0.05 * MS if known else 2 * MS

    target = TimedTarget(keeping, samples=64)
    requests = run(target, "server:200,constant", RunLimits(min_duration_s=0.1, min_queries=128))
    verdict = judge_caching(requests.service_ns[:64], requests.service_ns[64:128])
    assert verdict.cached


def test_find_peak_is_no_single_run() -> None:
    with pytest.raises(InvalidLoad, match="find_peak is a search"):
        run(TimedTarget(lambda _: 0), "find_peak:20")


@pytest.mark.slow
def test_constant_service_times_wait_as_the_md1_formula_says() -> None:
    rate, service = 100.0, 5 * MS
    target = TimedTarget(lambda _: service)
    requests = run(target, f"server:{rate:g}", RunLimits(min_duration_s=40.0, min_queries=4000))
    waited = requests.queue_ns.mean() / 1e9
    assert waited == pytest.approx(md1_mean_wait(rate, service), rel=0.25)


@pytest.mark.slow
def test_exponential_service_times_answer_as_the_mm1_formula_says() -> None:
    rate, service = 100.0, 5 * MS
    times = np.random.default_rng(5).exponential(service, 10_000)
    target = TimedTarget(lambda number: float(times[number]))
    requests = run(target, f"server:{rate:g}", RunLimits(min_duration_s=40.0, min_queries=4000), seed=11)
    assert requests.response_ns.mean() / 1e9 == pytest.approx(mm1_mean_response(rate, service), rel=0.25)

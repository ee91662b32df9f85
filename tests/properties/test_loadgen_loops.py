"""The open loop in simulated time, for any arrivals and any service times."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from profiler_agent.loadgen.open_loop import drive_schedule
from profiler_agent.loadgen.requests import Requests
from profiler_agent.loadgen.schedule import draw_schedule
from profiler_agent.work import Batching, Load, Scenario
from tests.simulated_clock import SimulatedClock
from tests.timed_targets import TimedTarget

offsets = st.lists(st.integers(0, 1000), min_size=1, max_size=40).map(sorted)
services = st.lists(st.integers(0, 300), min_size=40, max_size=40)


def run(
    milliseconds: list[int], service_ms: list[int], batching: Batching | None = None, workers: int = 1
) -> tuple[Requests, TimedTarget]:
    load = Load(scenario=Scenario.SERVER, arrival="trace", trace_s=tuple(value / 1e3 for value in milliseconds))
    schedule = draw_schedule(load, duration_s=0.0, min_queries=0, pool=8, seed=1)
    clock = SimulatedClock()
    target = TimedTarget(clock, lambda number: service_ms[number] / 1e3, samples=8)
    done = drive_schedule(
        target, schedule, max_duration_s=1e5, batching=batching, workers=workers, most_in_flight=1000, clock=clock
    )
    return done, target


@settings(max_examples=40, deadline=None)
@given(offsets, services)
def test_one_worker_answers_as_lindley_says(milliseconds: list[int], service_ms: list[int]) -> None:
    """Start of execution = the later of its due time and the last answer (Lindley 1952)."""
    requests, _ = run(milliseconds, service_ms)
    free = 0
    for number, due in enumerate(requests.scheduled_ns.tolist()):
        assert requests.started_ns[number] == max(due, free)
        free = requests.started_ns[number] + service_ms[number] * 1_000_000
        assert requests.finished_ns[number] == free


@settings(max_examples=40, deadline=None)
@given(offsets, services, st.integers(2, 6), st.integers(0, 200))
def test_batches_are_in_order_complete_and_within_their_limits(
    milliseconds: list[int], service_ms: list[int], size: int, wait_ms: int
) -> None:
    requests, target = run(milliseconds, service_ms, Batching(max_batch=size, max_wait_ns=wait_ms * 1_000_000))
    assert not requests.failed.any()
    assert sum(len(call) for call in target.calls) == requests.count
    assert max(len(call) for call in target.calls) <= size
    free, place = 0, 0
    for call in target.calls:
        members = slice(place, place + len(call))
        assert set(requests.batch_sizes[members].tolist()) == {len(call)}
        started = int(requests.started_ns[members][0])
        # No batch is held back for longer than its first may wait, unless the target was busy.
        assert started <= max(int(requests.scheduled_ns[place]) + wait_ms * 1_000_000, free)
        assert started >= int(requests.scheduled_ns[members][-1])
        free, place = int(requests.finished_ns[members][0]), members.stop


@settings(max_examples=20, deadline=None)
@given(offsets, services, st.integers(2, 4))
def test_more_workers_answer_no_later(milliseconds: list[int], service_ms: list[int], workers: int) -> None:
    constant = [service_ms[0]] * 40
    one, _ = run(milliseconds, constant)
    several, _ = run(milliseconds, constant, workers=workers)
    assert (several.finished_ns <= one.finished_ns).all()
    assert np.array_equal(several.sent_ns, one.sent_ns)

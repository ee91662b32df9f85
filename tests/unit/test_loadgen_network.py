"""Requests and answers over a simulated network: links by the book, and a real run behind one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiler_agent.errors import InvalidLoad
from profiler_agent.loadgen.network import Journey, Link
from profiler_agent.loadgen.requests import Requests
from profiler_agent.loadgen.scenarios import drive
from profiler_agent.measuring.target import bytes_of
from profiler_agent.stats.validity import judge, run_timeline
from profiler_agent.work import Batching, Load, Network, RunLimits, Scenario
from tests.simulated_clock import SimulatedClock
from tests.timed_targets import TimedTarget

MS = 1_000_000
FOUR_G = Network(round_trip_ms=50, up_mbit_per_s=10, down_mbit_per_s=30)
SERVER = Load(scenario=Scenario.SERVER, rate_per_s=200, network=FOUR_G)
LIMITS = RunLimits(min_duration_s=0.3, min_queries=60, max_duration_s=10)


@given(
    st.lists(st.integers(0, 10**12), min_size=1, max_size=60),
    st.integers(0, 10**9),
    st.integers(0, 10**9),
)
def test_a_link_sends_one_message_after_another(departures: list[int], send_ns: int, delay_ns: int) -> None:
    arrived = Link(send_ns, delay_ns).deliver(np.array(departures, np.int64))
    free = 0
    for position in sorted(range(len(departures)), key=lambda n: (departures[n], n)):
        free = max(free, departures[position]) + send_ns
        assert arrived[position] == free + delay_ns


def test_bandwidth_and_round_trip_become_times() -> None:
    # 125,000 bytes are a megabit, which takes 0.1 s at 10 Mbit/s.
    assert Link.of(10, 125_000, 50) == Link(100 * MS, 25 * MS)
    assert Link.of(0, 125_000, 50) == Link(0, 25 * MS), "unlimited"
    assert bytes_of({"x": np.zeros((2, 3), np.float32), "y": np.zeros(4, np.int8)}) == 28


def test_a_run_behind_a_network_counts_every_stage() -> None:
    # 12,500 bytes up take 10 ms of 4g, 3,750 bytes down 1 ms.
    journey = Journey(FOUR_G, 1250, 3750)
    load = Load(scenario=Scenario.SERVER, rate_per_s=200, arrival="constant", network=FOUR_G)
    clock = SimulatedClock()
    target = TimedTarget(clock, lambda number: 0.001)
    requests = drive(target, load, LIMITS, seed=1, clock=clock, journey=journey)
    seen = journey.as_clients_see(requests)
    uplink_ns, downlink_ns = requests.scheduled_ns - seen.scheduled_ns, seen.finished_ns - requests.finished_ns
    np.testing.assert_array_equal(uplink_ns, np.full(requests.count, 26 * MS), "1 ms for the bytes, 25 ms half way")
    assert downlink_ns.min() == 26 * MS
    np.testing.assert_array_equal(seen.response_ns, uplink_ns + requests.response_ns + downlink_ns)
    assert seen.response_ns.min() >= 53 * MS
    assert journey.overload() == ()
    assert seen.schedule_digest == requests.schedule_digest != ""


def test_a_link_that_is_sent_too_much_says_so() -> None:
    journey = Journey(Network(up_mbit_per_s=1), 12_500, 0)  # 10 messages a second
    departures = np.arange(100, dtype=np.int64) * 50 * MS
    arrived = journey.arrive(departures)
    assert (arrived - departures)[-1] > 4_000 * MS, "what waits grows"
    (reason,) = journey.overload()
    assert reason.rule == "unsteady"
    assert "the link to the model carries 10 messages of this size a second, 20.2 were sent" in reason.detail


def test_failed_requests_have_no_answer_to_deliver() -> None:
    def fail(number: int) -> float:
        raise RuntimeError("no")

    clock = SimulatedClock()
    journey = Journey(FOUR_G, 0, 0)
    requests = drive(TimedTarget(clock, fail), SERVER, LIMITS, seed=1, clock=clock, journey=journey)
    seen = journey.as_clients_see(requests)
    assert requests.failed.all()
    np.testing.assert_array_equal(seen.finished_ns, requests.finished_ns)


def drive_behind(journey: Journey, load: Load, limits: RunLimits = LIMITS, service_s: float = 0.001) -> Requests:
    clock = SimulatedClock()
    return drive(TimedTarget(clock, lambda number: service_s), load, limits, seed=1, clock=clock, journey=journey)


@pytest.mark.parametrize("scenario", [Scenario.SINGLE_STREAM, Scenario.MULTI_STREAM])
def test_a_client_waits_for_its_answer_before_it_sends_again(scenario: Scenario) -> None:
    journey = Journey(FOUR_G, 1250, 3750)  # 1 ms up, 1 ms down
    requests = drive_behind(journey, Load(scenario=scenario, streams=4, network=FOUR_G))
    seen = journey.as_clients_see(requests)
    assert requests.count == 60
    np.testing.assert_array_equal(seen.response_ns, np.full(60, 53 * MS), "26 ms there, 1 ms in the model, 26 ms back")
    np.testing.assert_array_equal(seen.scheduled_ns, np.arange(60) * 53 * MS, "the next is sent when one is answered")
    np.testing.assert_array_equal(requests.queue_ns, np.zeros(60))
    np.testing.assert_array_equal(seen.sent_ns, seen.scheduled_ns, "the generator was not late")
    assert journey.overload() == ()


def test_clients_share_the_links_and_the_model() -> None:
    network = Network(round_trip_ms=10, up_mbit_per_s=10)
    journey = Journey(network, 12_500, 0)  # 10 ms for the bytes of a request
    requests = drive_behind(journey, Load(scenario=Scenario.CONCURRENCY, streams=3, network=network))
    seen = journey.as_clients_see(requests)
    np.testing.assert_array_equal(seen.response_ns[:3], np.array([21, 31, 41]) * MS, "one behind the other on the link")
    # The link is what holds them up: it carries a request in 10 ms, so three clients wait 30 ms for each.
    np.testing.assert_array_equal(seen.response_ns[3:], np.full(requests.count - 3, 30 * MS))


@pytest.mark.parametrize(
    ("batching", "sizes", "queue_ms"),
    [
        (None, [1, 1], [0, 0.5]),
        (Batching(max_batch=2, max_wait_ns=5 * MS), [2, 2], [0.5, 0]),
        (Batching(max_batch=3, max_wait_ns=5 * MS), [2, 2], [5, 4.5]),
        (Batching(max_batch=2, max_wait_ns=0), [1, 1], [0, 0.5]),
    ],
)
def test_a_batch_closes_when_it_is_full_or_its_first_request_has_waited(
    batching: Batching | None, sizes: list[int], queue_ms: list[float]
) -> None:
    network = Network(round_trip_ms=10, up_mbit_per_s=10)
    journey = Journey(network, 625, 0)  # half a millisecond between the two
    requests = drive_behind(journey, Load(scenario=Scenario.CONCURRENCY, streams=2, network=network, batching=batching))
    assert requests.batch_sizes[:2].tolist() == sizes
    assert (requests.queue_ns[:2] / MS).tolist() == queue_ms


def test_a_closed_loop_ends_before_a_request_that_comes_too_late() -> None:
    network = Network(round_trip_ms=3_000)
    journey = Journey(network, 0, 0)
    limits = RunLimits(min_duration_s=0.1, min_queries=100, max_duration_s=10)
    requests = drive_behind(journey, Load(scenario=Scenario.SINGLE_STREAM, network=network), limits)
    assert requests.stopped_early
    assert requests.count == 3, "the fourth would reach the model after 10.5 s"


class LateClock(SimulatedClock):
    """Wakes sleepers 2 ms late."""

    def sleeper(self) -> Callable[[int], int]:
        return lambda moment: self.sleep_until(moment + 2 * MS)


def test_a_generator_that_wakes_late_is_told_from_a_queue() -> None:
    journey = Journey(FOUR_G, 0, 0)
    clock = LateClock()
    load = Load(scenario=Scenario.SINGLE_STREAM, network=FOUR_G)
    requests = drive(TimedTarget(clock, lambda number: 0.001), load, LIMITS, seed=1, clock=clock, journey=journey)
    seen = journey.as_clients_see(requests)
    np.testing.assert_array_equal(requests.dispatch_ns, np.full(60, 2 * MS))
    np.testing.assert_array_equal(seen.dispatch_ns, requests.dispatch_ns)
    reasons = judge(run_timeline(load, **times_of(seen)), load, LIMITS)
    assert [reason.rule for reason in reasons] == ["late_generator"]


def times_of(requests: Requests) -> dict[str, Any]:
    names = ("scheduled_ns", "sent_ns", "started_ns", "finished_ns", "failed")
    return {name: getattr(requests, name) for name in names}


def test_offline_takes_no_network() -> None:
    with pytest.raises(InvalidLoad, match="all of its samples lie at the model"):
        drive_behind(Journey(FOUR_G, 0, 0), Load(scenario=Scenario.OFFLINE, network=FOUR_G))

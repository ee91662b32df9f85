"""Where warm-up ends."""

from __future__ import annotations

import numpy as np

from profiler_agent.stats.steadiness import WarmUp, agree

MS = 1_000_000


def requests_of_warm_up(latencies_ns: list[int], **options: int) -> int:
    """How many of the first latencies of a closed loop are warm-up."""
    warm_up = WarmUp(**options)
    for latency in latencies_ns:
        if warm_up.add(latency):
            break
    return warm_up.requests


def test_values_agree_within_ten_percent_of_the_smallest() -> None:
    assert agree([1.0, 1.1, 1.05])
    assert not agree([1.0, 1.101])


def test_a_steady_target_needs_three_windows() -> None:
    # 50 requests of 1 ms fill a window of 50 ms.
    assert requests_of_warm_up([MS] * 1_000) == 150


def test_slow_first_requests_are_warm_up() -> None:
    latencies = [40 * MS, 20 * MS, 5 * MS, 3 * MS, 2 * MS] + [MS] * 1_000
    assert 150 < requests_of_warm_up(latencies) <= 205


def test_a_window_holds_several_requests_however_slow_they_are() -> None:
    assert requests_of_warm_up([500 * MS] * 100, cap_ns=60_000 * MS) == 15


def test_the_cap_ends_what_does_not_settle() -> None:
    falling = (np.geomspace(100.0, 10.0, 60) * MS).astype(int).tolist()
    warm_up = WarmUp(cap_ns=1_500 * MS)
    while not warm_up.add(falling[warm_up.requests]):
        pass
    assert warm_up.over
    assert not warm_up.steady
    assert 1_500 * MS <= warm_up.elapsed_ns < 1_600 * MS


def test_a_rate_that_changes_is_no_steady_state_although_the_median_stays() -> None:
    warm_up = WarmUp()
    for window in range(3):
        for request in range(50):
            warm_up.add(MS + (window * 20 * MS if request == 0 else 0))
    assert not warm_up.steady


def test_a_stream_that_ends_before_the_cap_is_all_warm_up() -> None:
    assert requests_of_warm_up([MS] * 20) == 20
    assert requests_of_warm_up([]) == 0

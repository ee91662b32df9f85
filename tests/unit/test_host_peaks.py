"""What the host can do at most."""

from __future__ import annotations

import os

import pytest

from profiler_agent.host import calibrate_peaks, measure_peaks


def test_peaks_are_measured_within_reason() -> None:
    peaks = calibrate_peaks(threads=1, seconds=0.05)
    # Between a slow emulator and a large server: units that are off by a thousand fall outside.
    assert 0.1 < peaks.gflop_per_s < 10_000
    assert 0.1 < peaks.gb_per_s < 1_000
    assert peaks.threads == 1


def test_the_fingerprint_gets_the_peaks_of_one_thread_and_of_all() -> None:
    found = measure_peaks(seconds=0.05)
    assert [one["threads"] for one in found] == sorted({1, len(os.sched_getaffinity(0))})
    assert all(one["gflop_per_s"] > 0 and one["gb_per_s"] > 0 for one in found)


def test_calibration_ends_with_its_time() -> None:
    """On a clock that only moves when it is looked at, tries are counted, not timed."""
    moments = iter(range(0, 10**12, 100_000_000))
    calls = []

    def clock() -> int:
        calls.append(1)
        return next(moments)

    calibrate_peaks(threads=1, seconds=1.0, clock=clock)
    # Half a second for each of two measurements: the end, then two looks a try of 0.1 s.
    assert len(calls) <= 2 * (1 + 2 * 3)


def test_peaks_need_a_thread() -> None:
    with pytest.raises(ValueError, match="at least one thread"):
        calibrate_peaks(threads=0)

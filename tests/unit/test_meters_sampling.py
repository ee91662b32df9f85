"""The thread that looks during a run, and real processes under real meters."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from profiler_agent.meters import MeterSetting, find_meters
from profiler_agent.meters._sampling import SamplingThread

FIVE = 5


class Counting:
    """Counts looks and tells when there were some."""

    def __init__(self, error: Exception | None = None) -> None:
        self.looks = 0
        self.enough = threading.Event()
        self.error = error

    def __call__(self) -> None:
        self.looks += 1
        if self.looks >= FIVE:
            self.enough.set()
        if self.error is not None:
            raise self.error


def samplers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "meters"]


def test_one_thread_looks_for_all_and_ends_with_the_last() -> None:
    sampling = SamplingThread(interval_s=0.001)
    first, second = Counting(), Counting()
    sampling.begin(first)
    sampling.begin(second)
    assert first.enough.wait(30)
    assert second.enough.wait(30)
    assert len(samplers()) == 1
    thread = samplers()[0]
    sampling.end(first)
    seen = first.looks
    second.looks, second.enough = 0, threading.Event()
    assert second.enough.wait(30)
    assert first.looks == seen
    sampling.end(second)
    sampling.end(second)
    thread.join(30)
    assert not thread.is_alive()
    sampling.begin(first)
    first.looks, first.enough = 0, threading.Event()
    assert first.enough.wait(30)
    sampling.end(first)


def test_a_look_that_fails_is_left_out_and_others_go_on() -> None:
    sampling = SamplingThread(interval_s=0.001)
    failing, sound = Counting(OSError("gone")), Counting()
    sampling.begin(failing)
    sampling.begin(sound)
    assert sound.enough.wait(30)
    assert failing.looks == 1
    sampling.end(failing)
    sampling.end(sound)


ALLOCATE = """
import sys
print("ready", flush=True); sys.stdin.readline()
block = bytearray(64 << 20)
for _ in range(3_000_000): pass
print("done", flush=True); sys.stdin.readline()
"""


@pytest.mark.parametrize("name", ["process_memory", "cpu"])
def test_another_process_is_measured(name: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", ALLOCATE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stdin is not None
        child.stdout.readline()
        reading = find_meters()[name].start(MeterSetting(device="cpu", pid=child.pid))
        child.stdin.write("\n")
        child.stdin.flush()
        child.stdout.readline()
        (one,), reasons = reading.stop(1)
        child.stdin.write("\n")
    assert list(reasons) == []
    if name == "cpu":
        assert one.value > 0
    else:
        assert (64 << 20) < one.value < (1 << 30)

"""Waiting for a moment of the monotonic clock, precisely and without keeping a core busy.

`time.sleep` takes a duration, so that a delay between reading the clock and sleeping adds up; clock_nanosleep takes the
moment itself. The kernel may still wake a thread late: by the timer slack (50 us by default, set to 1 ns here) and by
what waking costs, so the last stretch is spent looking at the clock.
"""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SPIN_NS = 60_000
"""The last stretch before a moment, in which the thread looks at the clock instead of sleeping."""

_CLOCK_MONOTONIC = 1
_TIMER_ABSTIME = 1
_PR_SET_TIMERSLACK = 29


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


def precise_timers() -> None:
    """Has the kernel wake this thread as close to the asked moment as it can; harmless where that is unknown."""
    try:
        ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, 1, 0, 0, 0)
    except (OSError, AttributeError):
        return


@contextmanager
def first_in_line() -> Iterator[None]:
    """Lets this thread run before others as soon as it wakes, where the host allows it; as before afterwards.

    A thread that sleeps nearly all the time takes nothing from the others by that, but no longer waits for them.
    """
    try:
        policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    except (OSError, AttributeError):
        yield
        return
    try:
        yield
    finally:
        os.sched_setscheduler(0, policy, parameters)


def make_sleep_until() -> Callable[[int], int]:
    """A function that returns at a moment of `time.monotonic_ns()`, or at once if it has passed; gives the time then.

    Each thread needs its own.
    """
    spin_ns = spin_of(usable_cpus())
    now = time.monotonic_ns
    sleep = _make_sleep()

    def sleep_until(moment: int) -> int:
        current = now()
        if moment - current > spin_ns:
            sleep(moment - spin_ns)
            current = now()
        while current < moment:
            current = now()
        return current

    return sleep_until


def spin_of(cpus: int) -> int:
    """How long to look at the clock at the end. On a single CPU not at all: that would stop the target meanwhile."""
    return SPIN_NS if cpus > 1 else 0


def usable_cpus() -> int:
    """CPUs this thread may run on."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1


def _make_sleep() -> Callable[[int], object]:
    """Sleeps until a moment, without the interpreter lock."""
    try:
        nanosleep = ctypes.CDLL(None).clock_nanosleep
    except (OSError, AttributeError):
        return lambda moment: time.sleep(max(moment - time.monotonic_ns(), 0) / 1e9)
    until = _Timespec()
    address = ctypes.byref(until)

    def sleep(moment: int) -> object:
        until.seconds, until.nanoseconds = divmod(moment, 1_000_000_000)
        return nanosleep(_CLOCK_MONOTONIC, _TIMER_ABSTIME, address, None)

    return sleep

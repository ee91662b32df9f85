"""What the load generator needs of time and threads, so that tests can run it in simulated time, to the nanosecond."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from queue import Empty, SimpleQueue
from typing import Protocol

from profiler_agent.loadgen.waiting import first_in_line, make_sleep_until, precise_timers


class Queue(Protocol):
    """First in, first out, between threads."""

    def put(self, item: int) -> None:
        """Adds an item; never waits."""

    def get(self) -> int:
        """Waits for an item."""

    def get_until(self, moment: int) -> int | None:
        """What is there, or comes before the moment; None if nothing does."""

    def qsize(self) -> int:
        """How many items wait."""


class Task(Protocol):
    """A thread at work."""

    def ended_by(self, moment: int) -> bool:
        """Waits for its end, at most until the moment; whether it ended."""


class Clock(Protocol):
    """Time in nanoseconds since some fixed moment, and what waits on it."""

    @property
    def now(self) -> Callable[[], int]:
        """Gives the time."""

    def sleeper(self) -> Callable[[int], int]:
        """For the calling thread: what returns at a moment, at once if it has passed, and gives the time then."""

    def first_in_line(self) -> AbstractContextManager[None]:
        """Lets the calling thread run before others as soon as it wakes, where that is allowed."""

    def queue(self) -> Queue:
        """An empty queue."""

    def start(self, action: Callable[[], None]) -> Task:
        """Runs an action in a thread that does not keep the process alive."""


class MonotonicClock:
    """Real time and real threads; implements `Clock`. Queues are those in C: handing over is one call."""

    now = staticmethod(time.monotonic_ns)

    def sleeper(self) -> Callable[[int], int]:
        precise_timers()
        return make_sleep_until()

    def first_in_line(self) -> AbstractContextManager[None]:
        return first_in_line()

    def queue(self) -> Queue:
        return _Queue()

    def start(self, action: Callable[[], None]) -> Task:
        return _Task(action)


class _Queue(SimpleQueue[int]):
    def get_until(self, moment: int) -> int | None:
        left_ns = moment - time.monotonic_ns()
        try:
            return self.get(timeout=left_ns / 1e9) if left_ns > 0 else self.get_nowait()
        except Empty:
            return None


class _Task:
    def __init__(self, action: Callable[[], None]) -> None:
        self._thread = threading.Thread(target=_precisely, args=(action,), name="msearch-load", daemon=True)
        self._thread.start()

    def ended_by(self, moment: int) -> bool:
        self._thread.join(max(moment - time.monotonic_ns(), 0) / 1e9)
        return not self._thread.is_alive()


def _precisely(action: Callable[[], None]) -> None:
    precise_timers()
    action()


MONOTONIC = MonotonicClock()
"""The clock of all real runs."""

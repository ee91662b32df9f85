"""Time that passes only when every thread waits for it: the load generator runs in it unchanged, and to the nanosecond.

Real threads, of which one runs at a time; it hands over when it waits. The order is that of the moments waited for,
and of arrival among equals, so that a run is the same every time.
"""

from __future__ import annotations

import heapq
import itertools
import threading
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

BEGINNING = 1_000_000_000


class _Wait:
    """A thread that waits; `over` once it may go on, so that what else could wake it doesn't."""

    def __init__(self) -> None:
        self.turn = threading.Semaphore(0)
        self.over = False


class SimulatedClock:
    """Implements `loadgen.clock.Clock`."""

    def __init__(self) -> None:
        self._time = BEGINNING
        self._ready: deque[_Wait] = deque()
        self._asleep: list[tuple[int, int, _Wait]] = []
        self._order = itertools.count()

    def now(self) -> int:
        return self._time

    def sleep_until(self, moment: int) -> int:
        if moment > self._time:
            self.wait(_Wait(), moment)
        return self._time

    def sleeper(self) -> Callable[[int], int]:
        return self.sleep_until

    def first_in_line(self) -> AbstractContextManager[None]:
        return nullcontext()

    def queue(self) -> SimulatedQueue:
        return SimulatedQueue(self)

    def start(self, action: Callable[[], None]) -> SimulatedTask:
        return SimulatedTask(self, action)

    def wait(self, wait: _Wait, moment: int | None = None) -> None:
        """Lets others run until someone wakes this thread, or the moment comes."""
        if moment is not None:
            heapq.heappush(self._asleep, (moment, next(self._order), wait))
        self.hand_over()
        wait.turn.acquire()

    def wake(self, wait: _Wait) -> None:
        """Lets a thread go on when its turn comes."""
        wait.over = True
        self._ready.append(wait)

    def hand_over(self) -> None:
        """Gives the turn to the next thread, moving time on if all wait for it."""
        while not self._ready:
            if not self._asleep:
                raise RuntimeError("every thread waits for another one")
            moment, _, wait = heapq.heappop(self._asleep)
            if not wait.over:
                self._time = max(self._time, moment)
                self.wake(wait)
        self._ready.popleft().turn.release()


class SimulatedQueue:
    """Implements `loadgen.clock.Queue`."""

    def __init__(self, clock: SimulatedClock) -> None:
        self._clock = clock
        self._items: deque[int] = deque()
        self._waiting: deque[_Wait] = deque()

    def put(self, item: int) -> None:
        self._items.append(item)
        while self._waiting:
            wait = self._waiting.popleft()
            if not wait.over:
                self._clock.wake(wait)
                return

    def get(self) -> int:
        item = self._take(None)
        assert item is not None
        return item

    def get_until(self, moment: int) -> int | None:
        return self._take(moment)

    def qsize(self) -> int:
        return len(self._items)

    def _take(self, moment: int | None) -> int | None:
        while not self._items:
            if moment is not None and moment <= self._clock.now():
                return None
            wait = _Wait()
            self._waiting.append(wait)
            self._clock.wait(wait, moment)
        return self._items.popleft()


class SimulatedTask:
    """Implements `loadgen.clock.Task`."""

    def __init__(self, clock: SimulatedClock, action: Callable[[], None]) -> None:
        self._clock = clock
        self._action = action
        self._ended = False
        self._waiting: list[_Wait] = []
        self._beginning = _Wait()
        threading.Thread(target=self._run, daemon=True).start()
        clock.wake(self._beginning)

    def ended_by(self, moment: int) -> bool:
        if not self._ended and moment > self._clock.now():
            self._waiting.append(_Wait())
            self._clock.wait(self._waiting[-1], moment)
        return self._ended

    def _run(self) -> None:
        self._beginning.turn.acquire()
        self._action()
        self._ended = True
        for wait in self._waiting:
            if not wait.over:
                self._clock.wake(wait)
        self._clock.hand_over()

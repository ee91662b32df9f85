"""One thread for all meters that must look during a run: it sleeps between looks, and exists only while one looks."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Protocol

INTERVAL_S = 0.05
"""Between two looks. A look at /proc takes 20 to 50 us, one at NVML up to a millisecond: 0.1 % and 2 % of a core."""

Look = Callable[[], None]


class Sampling(Protocol):
    """Calls functions again and again; tests replace it by one that they drive."""

    def begin(self, look: Look) -> None:
        """Calls `look` now and then until `end`. A look that raises OSError is left out from then on."""

    def end(self, look: Look) -> None:
        """Calls it no more; it isn't running when this returns."""


class SamplingThread:
    """The real one."""

    def __init__(self, interval_s: float = INTERVAL_S) -> None:
        self._interval_s = interval_s
        self._looks: list[Look] = []
        self._lock = threading.Lock()
        self._stop: threading.Event | None = None

    def begin(self, look: Look) -> None:
        with self._lock:
            self._looks.append(look)
            if self._stop is None:
                self._stop = threading.Event()
                arguments = (self._stop,)
                threading.Thread(target=self._run, args=arguments, name="meters", daemon=True).start()

    def end(self, look: Look) -> None:
        # The thread holds the lock while it looks.
        with self._lock:
            if look in self._looks:
                self._looks.remove(look)
            if not self._looks and self._stop is not None:
                self._stop.set()
                self._stop = None

    def _run(self, stop: threading.Event) -> None:
        while not stop.wait(self._interval_s):
            with self._lock:
                if stop.is_set():
                    return
                for look in tuple(self._looks):
                    try:
                        look()
                    except OSError:
                        self._looks.remove(look)


SAMPLING = SamplingThread()

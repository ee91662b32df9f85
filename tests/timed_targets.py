"""Targets that take a known time, to test the load generator on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from profiler_agent.loadgen.clock import make_sleep_until


@dataclass
class TimedTarget:
    """Takes `service_s(call number)` for each call, whatever the samples; remembers the samples of every call."""

    service_s: Callable[[int], float]
    samples: int = 64
    calls: list[tuple[int, ...]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._local = threading.local()

    def run(self, samples: Sequence[int]) -> None:
        """Waits precisely."""
        if not hasattr(self._local, "sleep_until"):
            self._local.sleep_until = make_sleep_until()
        number = len(self.calls)
        self.calls.append(tuple(samples))
        self._local.sleep_until(time.monotonic_ns() + round(self.service_s(number) * 1e9))


class FailingTarget:
    """Raises on some samples."""

    samples = 4

    def run(self, samples: Sequence[int]) -> None:
        """Fails on the sample 3."""
        if 3 in samples:
            raise ValueError("sample 3 is bad")


class HungTarget:
    """Never answers after the first few calls."""

    samples = 4

    def __init__(self, release: threading.Event) -> None:
        self._release = release
        self._calls = 0

    def run(self, samples: Sequence[int]) -> None:
        """Waits for the test to end."""
        self._calls += 1
        if self._calls > 3:
            self._release.wait()

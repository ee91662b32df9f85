"""Targets that take a known time, to test the load generator on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from profiler_agent.loadgen.clock import Clock

FOREVER_NS = 10**15


@dataclass
class TimedTarget:
    """Takes `service_s(call number)` for each call, whatever the samples; remembers the samples of every call."""

    clock: Clock
    service_s: Callable[[int], float]
    samples: int = 64
    calls: list[tuple[int, ...]] = field(default_factory=list)

    def run(self, samples: Sequence[int]) -> None:
        """Waits precisely."""
        number = len(self.calls)
        self.calls.append(tuple(samples))
        self.clock.sleeper()(self.clock.now() + round(self.service_s(number) * 1e9))


@dataclass
class FailingTarget:
    """Answers within a millisecond, but raises on one sample in four."""

    clock: Clock
    samples: int = 4

    def run(self, samples: Sequence[int]) -> None:
        """Fails on the sample 3."""
        self.clock.sleeper()(self.clock.now() + 1_000_000)
        if 3 in samples:
            raise ValueError("sample 3 is bad")


@dataclass
class HungTarget:
    """Answers three calls at once, and no more."""

    clock: Clock
    samples: int = 4
    calls: int = 0

    def run(self, samples: Sequence[int]) -> None:
        """Sleeps for days from the fourth call on."""
        self.calls += 1
        if self.calls > 3:
            self.clock.sleeper()(self.clock.now() + FOREVER_NS)

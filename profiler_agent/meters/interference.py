"""Whether others kept the CPUs busy that the process may run on.

    foreign = (busy + stolen time of the allowed CPUs - CPU time of the process) / wall time, in CPUs
    allowed = max(0.1, 2 % of the allowed CPUs)

A tenth of a CPU, because a neighbour that runs in slices of 4 ms then takes one in every 40 ms, and more would decide
the p99 of a model of a few milliseconds. In proportion on larger hosts, where daemons always take some, and a share
that small leaves each thread a CPU of its own. Interrupts that the run's own I/O causes count as foreign; so does all
of a server under test that runs beside its clients.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from profiler_agent.meters import _proc
from profiler_agent.meters.base import MeterSetting, Reading, Settled
from profiler_agent.work import InvalidReason, Measurement

LEAST_ALLOWED = 0.1
ALLOWED_SHARE = 0.02


@dataclass(frozen=True, slots=True)
class InterferenceMeter:
    """Two looks at /proc/stat and /proc/PID/stat. On a host without them it says nothing."""

    root: Path = _proc.ROOT
    clock: Callable[[], int] = time.monotonic_ns
    name: str = "interference"

    def start(self, setting: MeterSetting) -> Reading:
        try:
            cpus = _proc.allowed_cpus(self.root, setting.pid)
            return _InterferenceReading(self, setting.pid, cpus, self.foreign_seconds(setting.pid, cpus), self.clock())
        except _proc.Unreadable:
            return Settled()

    def foreign_seconds(self, pid: int, cpus: frozenset[int]) -> float:
        """Time that these CPUs spent on others so far. Raises Unreadable."""
        return _proc.busy_seconds(self.root, cpus) - _proc.cpu_seconds(self.root, pid)


@dataclass(frozen=True, slots=True)
class _InterferenceReading:
    meter: InterferenceMeter
    pid: int
    cpus: frozenset[int]
    before_s: float
    began_ns: int

    def stop(self, inferences: int) -> tuple[Sequence[Measurement], Sequence[InvalidReason]]:  # noqa: ARG002 - of the host
        elapsed_s = (self.meter.clock() - self.began_ns) / 1e9
        try:
            foreign_s = self.meter.foreign_seconds(self.pid, self.cpus) - self.before_s
        except _proc.Unreadable:
            return (), ()
        allowed = max(LEAST_ALLOWED, ALLOWED_SHARE * len(self.cpus))
        if elapsed_s <= 0 or foreign_s / elapsed_s <= allowed:
            return (), ()
        detail = (
            f"other processes kept {foreign_s / elapsed_s:.2f} of {len(self.cpus)} CPUs busy, "
            f"at most {allowed:.2g} are allowed"
        )
        return (), (InvalidReason("disturbed", detail),)


METER = InterferenceMeter()

"""Whether memory ran short during the run.

stalls  time in which some task waited for memory (/proc/pressure/memory, PSI), above 1 % of the run
swap    pages read back from swap (pswpin in /proc/vmstat)
group   the memory group was reclaimed at its limit or had a process killed (memory.events, memory.failcnt)
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from profiler_agent.host import cgroups
from profiler_agent.meters import _proc
from profiler_agent.meters.base import MeterSetting, Reading
from profiler_agent.work import InvalidReason, Measurement

ALLOWED_STALL = 0.01
_EVENTS = ("high", "max", "oom", "oom_kill")


@dataclass(frozen=True, slots=True)
class MemoryPressureMeter:
    """Two looks at counters; one that the host does not have counts as unchanged."""

    root: Path = _proc.ROOT
    clock: Callable[[], int] = time.monotonic_ns
    name: str = "memory_pressure"

    def start(self, setting: MeterSetting) -> Reading:
        return _PressureReading(self, setting.pid, self.counters(setting.pid), self.clock())

    def counters(self, pid: int) -> _Counters:
        """All of them now."""
        return _Counters(self._stalled_us(), self._swapped_in(), self._group_events(pid))

    def _stalled_us(self) -> int:
        try:
            line = _proc.read(self.root, "proc/pressure/memory").partition("\n")[0]
        except _proc.Unreadable:
            return 0
        total = line.rpartition("total=")[2].strip()
        return int(total) if line.startswith("some") and total.isdecimal() else 0

    def _swapped_in(self) -> int:
        try:
            return _proc.read_table(self.root, "proc/vmstat").get("pswpin", 0)
        except _proc.Unreadable:
            return 0

    def _group_events(self, pid: int) -> int:
        total = 0
        for folder in cgroups.folders(self.root, pid, "memory"):
            with suppress(_proc.Unreadable):
                table = _proc.read_table(folder, "memory.events")
                total += sum(table.get(event, 0) for event in _EVENTS)
            with suppress(_proc.Unreadable):
                total += _proc.read_number(folder, "memory.failcnt")
        return total


@dataclass(frozen=True, slots=True)
class _Counters:
    stalled_us: int
    swapped_in: int
    group_events: int


@dataclass(frozen=True, slots=True)
class _PressureReading:
    meter: MemoryPressureMeter
    pid: int
    before: _Counters
    began_ns: int

    def stop(self, inferences: int) -> tuple[Sequence[Measurement], Sequence[InvalidReason]]:  # noqa: ARG002 - of the host
        elapsed_s = (self.meter.clock() - self.began_ns) / 1e9
        after = self.meter.counters(self.pid)
        told = []
        stalled_s = (after.stalled_us - self.before.stalled_us) / 1e6
        if stalled_s > ALLOWED_STALL * elapsed_s:
            told.append(
                f"tasks waited {stalled_s:.3g} s of {elapsed_s:.3g} s for memory, at most {ALLOWED_STALL:.0%} may be"
            )
        if after.swapped_in > self.before.swapped_in:
            told.append(f"{after.swapped_in - self.before.swapped_in} pages were read back from swap")
        if after.group_events > self.before.group_events:
            told.append("the memory limit of the control group was reached")
        return (), ([InvalidReason("memory_pressure", "; ".join(told))] if told else ())


METER = MemoryPressureMeter()

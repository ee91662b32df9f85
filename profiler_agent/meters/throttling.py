"""Whether the host held the CPUs back: by a quota, for heat, or by lowering the clock.

    quota      time that a control group kept its threads waiting, in its cpu.stat, above 1 % of the run
    heat       a count of thermal throttling, of a core or a package, that rose
    frequency  the highest clock among the allowed CPUs, median over the last third of the run, more than 10 % below
               that over the first third

Counters first; frequencies are sampled, since a governor that slows down leaves no count. Guests often see neither.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from profiler_agent.host import cgroups
from profiler_agent.meters import _proc
from profiler_agent.meters._sampling import SAMPLING, Sampling
from profiler_agent.meters.base import MeterSetting, Reading
from profiler_agent.work import InvalidReason, Measurement

ALLOWED_WAIT = 0.01
ALLOWED_DROP = 0.10
_FEWEST_SAMPLES = 9
_MOST_CPUS = 16


class ThrottlingMeter:
    """Looks at cpu.stat, thermal_throttle and cpufreq."""

    name = "throttling"

    def __init__(
        self, root: Path = _proc.ROOT, sampling: Sampling = SAMPLING, clock: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self.root = root
        self.sampling = sampling
        self.clock = clock

    def start(self, setting: MeterSetting) -> Reading:
        return _ThrottlingReading(self, setting.pid)


class _ThrottlingReading:
    def __init__(self, meter: ThrottlingMeter, pid: int) -> None:
        self._meter = meter
        self._groups = [folder / "cpu.stat" for folder in cgroups.folders(meter.root, pid, "cpu")]
        try:
            cpus = sorted(_proc.allowed_cpus(meter.root, pid))
        except _proc.Unreadable:
            cpus = []
        folder = "sys/devices/system/cpu/cpu"
        self._counts = [
            f"{folder}{cpu}/thermal_throttle/{kind}_throttle_count" for cpu in cpus for kind in ("core", "package")
        ]
        self._clocks = [
            path
            for cpu in cpus[:_MOST_CPUS]
            if (meter.root / (path := f"{folder}{cpu}/cpufreq/scaling_cur_freq")).is_file()
        ]
        self._samples: list[int] = []
        self._heat = self._heat_count()
        self._waited_s = self._waited()
        self._began_ns = meter.clock()
        if self._clocks:
            meter.sampling.begin(self._look)

    def _look(self) -> None:
        found = []
        for path in self._clocks:
            try:
                found.append(_proc.read_number(self._meter.root, path))
            except _proc.Unreadable:
                continue
        if found:
            self._samples.append(max(found))

    def _heat_count(self) -> int:
        total = 0
        for path in self._counts:
            try:
                total += _proc.read_number(self._meter.root, path)
            except _proc.Unreadable:
                continue
        return total

    def _waited(self) -> list[float]:
        """Seconds that each group kept its threads waiting."""
        waited = []
        for file in self._groups:
            try:
                table = _proc.read_table(file.parent, file.name)
            except _proc.Unreadable:
                table = {}
            # Version 2 counts microseconds, version 1 nanoseconds.
            waited.append(table.get("throttled_usec", 0) / 1e6 + table.get("throttled_time", 0) / 1e9)
        return waited

    def stop(self, inferences: int) -> tuple[Sequence[Measurement], Sequence[InvalidReason]]:  # noqa: ARG002 - of the host
        if self._clocks:
            self._meter.sampling.end(self._look)
        elapsed_s = (self._meter.clock() - self._began_ns) / 1e9
        told = [*self._quota(elapsed_s), *self._hot(), *self._slowed()]
        return (), ([InvalidReason("throttled", "; ".join(told))] if told else ())

    def _quota(self, elapsed_s: float) -> list[str]:
        waited_s = max(
            (after - before for before, after in zip(self._waited_s, self._waited(), strict=True)), default=0.0
        )
        if elapsed_s <= 0 or waited_s <= ALLOWED_WAIT * elapsed_s:
            return []
        return [
            f"a CPU quota stopped threads for {waited_s:.3g} s of {elapsed_s:.3g} s, at most {ALLOWED_WAIT:.0%} may be"
        ]

    def _hot(self) -> list[str]:
        rose = self._heat_count() - self._heat
        return [f"CPUs were throttled for heat {rose} times"] if rose > 0 else []

    def _slowed(self) -> list[str]:
        if len(self._samples) < _FEWEST_SAMPLES:
            return []
        third = len(self._samples) // 3
        first, last = statistics.median(self._samples[:third]), statistics.median(self._samples[-third:])
        if last >= first * (1 - ALLOWED_DROP):
            return []
        return [
            f"the clock fell from {first / 1e6:.2f} to {last / 1e6:.2f} GHz, at most {ALLOWED_DROP:.0%} are allowed"
        ]


METER = ThrottlingMeter()

"""CPU seconds that the process takes per second of the run; 1 is one core kept busy."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from profiler_agent.meters import _proc
from profiler_agent.meters.base import MeterSetting, Reading, Settled, not_measured
from profiler_agent.work import InvalidReason, Measurement

_NAME = "cpu_utilisation"


@dataclass(frozen=True, slots=True)
class CpuMeter:
    """Two looks at /proc/PID/stat, whose unit is a clock tick of 10 ms."""

    root: Path = _proc.ROOT
    clock: Callable[[], int] = time.monotonic_ns
    name: str = "cpu"

    def start(self, setting: MeterSetting) -> Reading:
        try:
            return _CpuReading(self, setting.pid, _proc.cpu_seconds(self.root, setting.pid), self.clock())
        except _proc.Unreadable as error:
            return Settled(not_measured(_NAME, "", str(error)))


@dataclass(frozen=True, slots=True)
class _CpuReading:
    meter: CpuMeter
    pid: int
    before_s: float
    began_ns: int

    def stop(self, inferences: int) -> tuple[Sequence[Measurement], Sequence[InvalidReason]]:  # noqa: ARG002 - a ratio
        elapsed_s = (self.meter.clock() - self.began_ns) / 1e9
        try:
            spent_s = _proc.cpu_seconds(self.meter.root, self.pid) - self.before_s
        except _proc.Unreadable as error:
            return [not_measured(_NAME, "", str(error))], ()
        if elapsed_s <= 0 or spent_s < 0:
            return [not_measured(_NAME, "", f"{spent_s:g} CPU seconds in {elapsed_s:g} s cannot be")], ()
        detail = f"{spent_s:.2f} CPU seconds in {elapsed_s:.2f} s"
        return [Measurement(name=_NAME, value=spent_s / elapsed_s, unit="", source="/proc/PID/stat", detail=detail)], ()


METER = CpuMeter()

"""How busy an NVIDIA GPU was, what memory the process took on it, and what held it back or shared it.

gpu_utilisation     mean over the run of the share of time in which a kernel ran (not of how much of the chip it used)
memory_utilisation  the same for reads and writes of its memory
device_memory_bytes largest memory of the process; of the whole device where the driver does not list the process

throttled           a slowdown by heat or by the board's power brake was seen. The software power cap is not one: a
                    board at its limit does what it always will under that load
disturbed           another process kept the GPU busy for more than 5 % of a sampling period
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from profiler_agent.meters._nvml import Gpu, NvmlError, Open, open_gpu
from profiler_agent.meters._sampling import INTERVAL_S, SAMPLING, Sampling
from profiler_agent.meters.base import MeterSetting, Reading, Settled, is_gpu, not_measured
from profiler_agent.work import InvalidReason, Measurement

SLOWDOWNS = {0x08: "hardware slowdown", 0x20: "heat, by software", 0x40: "heat, by hardware", 0x80: "power brake"}
"""Bits of nvmlClocksEventReasons that mean less speed than the board normally gives."""

ALLOWED_BUSY = 0.05
_UNITS = {"gpu_utilisation": "", "memory_utilisation": "", "device_memory_bytes": "bytes"}


class GpuMeter:
    """Looks at NVML every 50 ms; for "cuda" devices."""

    name = "gpu"

    def __init__(
        self,
        open_gpu: Open = open_gpu,
        sampling: Sampling = SAMPLING,
        wall_clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._open_gpu = open_gpu
        self.sampling = sampling
        self.wall_clock = wall_clock

    def start(self, setting: MeterSetting) -> Reading:
        if not is_gpu(setting.device):
            return Settled()
        try:
            return _GpuReading(self, self._open_gpu(setting.device), setting.pid)
        except NvmlError as error:
            return Settled(*(not_measured(name, unit, str(error)) for name, unit in _UNITS.items()))


class _GpuReading:
    def __init__(self, meter: GpuMeter, gpu: Gpu, pid: int) -> None:
        self._meter = meter
        self._gpu = gpu
        self._pid = pid
        self._busy: list[float] = []
        self._memory_busy: list[float] = []
        self._own_bytes = 0
        self._all_bytes = 0
        self._slowdowns = 0
        self._problems: dict[str, str] = {}
        self._began_us = meter.wall_clock() // 1000
        self._look()
        meter.sampling.begin(self._look)

    def _look(self) -> None:
        try:
            busy, memory_busy = self._gpu.utilisation()
            self._busy.append(busy)
            self._memory_busy.append(memory_busy)
        except NvmlError as error:
            self._problems["utilisation"] = str(error)
        try:
            for process in self._gpu.processes():
                if process.pid == self._pid:
                    self._own_bytes = max(self._own_bytes, process.memory_bytes or 0)
            self._all_bytes = max(self._all_bytes, self._gpu.used_bytes())
        except NvmlError as error:
            self._problems["memory"] = str(error)
        try:
            self._slowdowns |= self._gpu.slowdowns()
        except NvmlError as error:
            self._problems["clocks"] = str(error)

    def stop(self, inferences: int) -> tuple[Sequence[Measurement], Sequence[InvalidReason]]:  # noqa: ARG002 - of the device
        self._meter.sampling.end(self._look)
        self._look()
        measurements = [
            self._mean("gpu_utilisation", self._busy),
            self._mean("memory_utilisation", self._memory_busy),
            self._device_memory(),
        ]
        return measurements, [*self._throttled(), *self._disturbed()]

    def _mean(self, name: str, samples: Sequence[float]) -> Measurement:
        if not samples:
            return not_measured(name, "", self._problems.get("utilisation", "no sample"))
        detail = f"mean of {len(samples)} samples every {INTERVAL_S * 1e3:g} ms"
        return Measurement(name=name, value=sum(samples) / len(samples), unit="", source="nvml", detail=detail)

    def _device_memory(self) -> Measurement:
        if self._own_bytes:
            value, detail = self._own_bytes, "of this process"
        elif self._all_bytes:
            value, detail = self._all_bytes, "of the whole device: the driver does not list this process"
        else:
            return not_measured("device_memory_bytes", "bytes", self._problems.get("memory", "no sample"))
        return Measurement(name="device_memory_bytes", value=float(value), unit="bytes", source="nvml", detail=detail)

    def _throttled(self) -> list[InvalidReason]:
        seen = [words for bit, words in SLOWDOWNS.items() if self._slowdowns & bit]
        return (
            [InvalidReason("throttled", f"the clocks of {self._gpu.name} were lowered: {', '.join(seen)}")]
            if seen
            else []
        )

    def _disturbed(self) -> list[InvalidReason]:
        foreign = self._foreign()
        if not foreign:
            return []
        named = ", ".join(f"process {pid} ({share:.0%})" for pid, share in sorted(foreign.items()))
        detail = f"{named} kept {self._gpu.name} busy too, at most {ALLOWED_BUSY:.0%} is allowed"
        return [InvalidReason("disturbed", detail)]

    def _foreign(self) -> dict[int, float]:
        """Other processes that kept it busy, by pid."""
        try:
            busy = self._gpu.busy_by_process(self._began_us)
        except NvmlError:
            return {}  # not told on this board, or nothing ran: idle contexts of others do no harm
        others = {pid: share for pid, share in busy.items() if pid != self._pid and share > ALLOWED_BUSY}
        if self._pid not in busy and len(others) == 1:
            return {}  # in a container the driver may know this process by another number
        return others


METER = GpuMeter()

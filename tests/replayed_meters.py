"""What meters read, driven by hand: a sampler, a clock, a GPU."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from profiler_agent.meters._nvml import GpuProcess, NvmlError
from profiler_agent.meters.base import Meter, MeterSetting
from profiler_agent.work import InvalidReason, Measurement

SECOND = 1_000_000_000


@dataclass
class HandDriven:
    """A clock and a sampler that move when told."""

    now_ns: int = 0
    looks: list[Callable[[], None]] = field(default_factory=list)

    def clock(self) -> int:
        return self.now_ns

    def sleep(self, seconds: float) -> None:
        self.pass_time(seconds)

    def begin(self, look: Callable[[], None]) -> None:
        self.looks.append(look)

    def end(self, look: Callable[[], None]) -> None:
        if look in self.looks:
            self.looks.remove(look)

    def pass_time(self, seconds: float) -> None:
        self.now_ns += round(seconds * SECOND)

    def look(self) -> None:
        for look in tuple(self.looks):
            look()


@dataclass
class ReplayedGpu:
    """A GPU with values that tests set; an attribute that is None is not supported."""

    name: str = "NVIDIA H100 80GB HBM3"
    energy: int | None = None
    power: int | None = None
    rates: tuple[float, float] | None = (0.0, 0.0)
    slow: int | None = 0
    running: list[GpuProcess] | None = field(default_factory=list)
    busy: dict[int, float] | None = field(default_factory=dict)
    used: int | None = 0

    def _have(self, value: object, function: str) -> object:
        if value is None:
            raise NvmlError(f"{function}: Not Supported")
        return value

    def energy_mj(self) -> int:
        return self._have(self.energy, "energy")

    def power_mw(self) -> int:
        return self._have(self.power, "power")

    def utilisation(self) -> tuple[float, float]:
        return self._have(self.rates, "utilisation")

    def slowdowns(self) -> int:
        return self._have(self.slow, "slowdowns")

    def processes(self) -> list[GpuProcess]:
        return self._have(self.running, "processes")

    def busy_by_process(self, since_us: int) -> dict[int, float]:
        return self._have(self.busy, "busy")

    def used_bytes(self) -> int:
        return self._have(self.used, "used")


def no_gpu(device: str) -> ReplayedGpu:
    raise NvmlError("NVML cannot be used: NVML Shared Library Not Found")


def measured(
    meter: Meter, setting: MeterSetting, during: Callable[[], object], inferences: int = 1000
) -> tuple[dict[str, Measurement], list[InvalidReason]]:
    """Starts, lets something happen, stops."""
    reading = meter.start(setting)
    during()
    measurements, reasons = reading.stop(inferences)
    return {one.name: one for one in measurements}, list(reasons)

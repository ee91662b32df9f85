"""Energy of an NVIDIA board: its own counter, or the integral of its power where it has none (before Volta).

The counter is updated every 20 to 100 ms, so a run of 2 s is known within 5 %. Power is a mean over some time that the
driver chooses, and on some boards it covers only a part of it (Yang, Adamek, Armour 2024, "Part-time power
measurements"); integrated by trapezoids it is worse than the counter, and says so in its source. The host's CPU and
memory are not in it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from profiler_agent.meters._energy import energy_measurements, no_energy
from profiler_agent.meters._nvml import Gpu, NvmlError, Open, open_gpu
from profiler_agent.meters._sampling import INTERVAL_S, SAMPLING, Sampling
from profiler_agent.meters.base import MeterSetting, Reading, Settled, is_gpu
from profiler_agent.work import InvalidReason, Measurement

_FEWEST_SAMPLES = 3


class NvmlEnergyMeter:
    """Two looks at the counter, or power looked at every 50 ms; for "cuda" devices."""

    name = "energy_nvml"

    def __init__(
        self,
        open_gpu: Open = open_gpu,
        sampling: Sampling = SAMPLING,
        clock: Callable[[], int] = time.monotonic_ns,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._open_gpu = open_gpu
        self.sampling = sampling
        self.clock = clock
        self._sleep = sleep

    def start(self, setting: MeterSetting) -> Reading:
        if not is_gpu(setting.device):
            return Settled()
        try:
            gpu = self._open_gpu(setting.device)
        except NvmlError as error:
            return Settled(*no_energy(str(error)))
        try:
            return _CounterReading(self, setting, gpu, gpu.energy_mj())
        except NvmlError:
            pass  # an older board
        try:
            return _IntegralReading(self, setting, gpu)
        except NvmlError as error:
            return Settled(*no_energy(f"{gpu.name} has neither an energy counter nor power: {error}"))

    def idle_power(self, device: str, seconds: float) -> float | None:
        if not is_gpu(device):
            return None
        try:
            gpu = self._open_gpu(device)
            powers = []
            # Power, not the counter: half a second is too short for that.
            for _ in range(_FEWEST_SAMPLES):
                self._sleep(seconds / _FEWEST_SAMPLES)
                powers.append(gpu.power_mw() / 1e3)
        except NvmlError:
            return None
        return sum(powers) / len(powers)


class _CounterReading:
    def __init__(self, meter: NvmlEnergyMeter, setting: MeterSetting, gpu: Gpu, before_mj: int) -> None:
        self._meter = meter
        self._setting = setting
        self._gpu = gpu
        self._before_mj = before_mj
        self._began_ns = meter.clock()

    def stop(self, inferences: int) -> tuple[Sequence[Measurement], Sequence[InvalidReason]]:
        seconds = (self._meter.clock() - self._began_ns) / 1e9
        try:
            after_mj = self._gpu.energy_mj()
        except NvmlError as error:
            return no_energy(f"error: the energy counter vanished during the run: {error}"), ()
        if min(self._before_mj, after_mj) < 0 or after_mj < self._before_mj:
            reason = f"error: the energy counter of {self._gpu.name} ran from {self._before_mj} to {after_mj} mJ"
            return no_energy(f"{reason}: it wrapped or was reset during the run"), ()
        return energy_measurements(
            (after_mj - self._before_mj) / 1e3,
            seconds,
            inferences,
            setting=self._setting,
            source="nvml_counter",
            detail=f"the board {self._gpu.name} without the host",
        ), ()


class _IntegralReading:
    def __init__(self, meter: NvmlEnergyMeter, setting: MeterSetting, gpu: Gpu) -> None:
        self._meter = meter
        self._setting = setting
        self._gpu = gpu
        self._problem = ""
        self._last_ns = self._began_ns = meter.clock()
        self._last_w = gpu.power_mw() / 1e3
        self._joules = 0.0
        self._samples = 1
        meter.sampling.begin(self._look)

    def _look(self) -> None:
        if self._problem:
            return
        try:
            watts = self._gpu.power_mw() / 1e3
        except NvmlError as error:
            self._problem = f"error: power could not be read during the run: {error}"
            return
        now_ns = self._meter.clock()
        self._joules += (watts + self._last_w) / 2 * (now_ns - self._last_ns) / 1e9
        self._last_ns, self._last_w = now_ns, watts
        self._samples += 1

    def stop(self, inferences: int) -> tuple[Sequence[Measurement], Sequence[InvalidReason]]:
        self._meter.sampling.end(self._look)
        self._look()
        if not self._problem and self._samples < _FEWEST_SAMPLES:
            self._problem = f"power was read only {self._samples} times, which gives no integral"
        if self._problem:
            return no_energy(self._problem), ()
        return energy_measurements(
            self._joules,
            (self._last_ns - self._began_ns) / 1e9,
            inferences,
            setting=self._setting,
            source="power_integral",
            detail=f"the board {self._gpu.name} without the host, power looked at every {INTERVAL_S * 1e3:g} ms",
        ), ()


METER = NvmlEnergyMeter()

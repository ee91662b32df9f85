"""Energy of the CPU packages and their memory from the RAPL counters that Linux shows under powercap.

Only package domains and the DRAM domains inside them are added up: core and uncore are parts of a package, psys is the
whole board. A counter restarts at 0 after max_energy_range_uj, some 20 to 60 minutes under load; a run that saw that
has no energy. Everything that the packages draw counts, whoever causes it, so it means something only in undisturbed
runs. Reading needs root on kernels since 5.10 (CVE-2020-8694).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from profiler_agent.meters import _proc
from profiler_agent.meters._energy import energy_measurements, no_energy
from profiler_agent.meters.base import MeterSetting, Reading, Settled, is_gpu
from profiler_agent.work import InvalidReason, Measurement

_FOLDER = "sys/class/powercap"
SOURCE = "rapl_counter"


class CounterError(Exception):
    """A counter that contradicts itself; the message says how."""


@dataclass(frozen=True, slots=True)
class RaplMeter:
    """Two looks at each energy_uj; for devices that are not NVIDIA's."""

    root: Path = _proc.ROOT
    clock: Callable[[], int] = time.monotonic_ns
    sleep: Callable[[float], None] = time.sleep
    name: str = "energy_rapl"

    def start(self, setting: MeterSetting) -> Reading:
        if is_gpu(setting.device):
            return Settled()
        try:
            before = self.counters()
        except _proc.Unreadable as error:
            return Settled(*no_energy(str(error)))
        return _RaplReading(self, setting, before, self.clock())

    def idle_power(self, device: str, seconds: float) -> float | None:
        if is_gpu(device):
            return None
        try:
            before, began_ns = self.counters(), self.clock()
            self.sleep(seconds)
            joules = energy_between(before, self.counters())
        except (_proc.Unreadable, CounterError):
            return None
        elapsed_s = (self.clock() - began_ns) / 1e9
        return joules / elapsed_s if elapsed_s > 0 else None

    def counters(self) -> dict[str, int]:
        """Microjoules of each package and DRAM domain by name. Raises Unreadable."""
        try:
            folders = sorted((self.root / _FOLDER).iterdir())
        except OSError as error:
            raise _proc.Unreadable(f"this host has no RAPL counters: /{_FOLDER}: {error.strerror}") from None
        found = {}
        for folder in folders:
            inside = f"{_FOLDER}/{folder.name}"
            # intel-rapl:0 is a package (also on AMD), intel-rapl:0:1 a part of it; intel-rapl-mmio counts it again.
            if not folder.name.startswith("intel-rapl:"):
                continue
            name = _proc.read(self.root, f"{inside}/name").strip()
            if name.startswith("package") or name == "dram":
                found[f"{name} ({folder.name})"] = _proc.read_number(self.root, f"{inside}/energy_uj")
        if not found:
            raise _proc.Unreadable(f"this host has no RAPL counters: /{_FOLDER} shows no package (a guest sees none)")
        return found


def energy_between(before: Mapping[str, int], after: Mapping[str, int]) -> float:
    """Joules from one look to the next.

    Raises:
        CounterError: a counter vanished, is negative, or ran backwards, as one that wraps or is reset does.
    """
    total = 0
    for name, start in before.items():
        if name not in after:
            raise CounterError(f"error: the energy counter {name} vanished during the run")
        end = after[name]
        if min(start, end) < 0:
            raise CounterError(f"error: the energy counter {name} is negative ({min(start, end)} uJ)")
        if end < start:
            raise CounterError(
                f"error: the energy counter {name} ran from {start} to {end} uJ: it wrapped or was reset during the run"
            )
        total += end - start
    return total / 1e6


@dataclass(frozen=True, slots=True)
class _RaplReading:
    meter: RaplMeter
    setting: MeterSetting
    before: Mapping[str, int]
    began_ns: int

    def stop(self, inferences: int) -> tuple[Sequence[Measurement], Sequence[InvalidReason]]:
        seconds = (self.meter.clock() - self.began_ns) / 1e9
        try:
            joules = energy_between(self.before, self.meter.counters())
        except (_proc.Unreadable, CounterError) as error:
            return no_energy(str(error)), ()
        detail = f"all of {', '.join(self.before)}"
        return energy_measurements(joules, seconds, inferences, setting=self.setting, source=SOURCE, detail=detail), ()


METER = RaplMeter()

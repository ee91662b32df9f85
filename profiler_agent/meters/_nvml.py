"""One NVIDIA GPU through NVML (package nvidia-ml-py).

`Gpu` is what the meters need of it; tests replay recorded values through the same names.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from profiler_agent.host.nvml import NvmlError, load_nvml, text_of

__all__ = ["Gpu", "GpuProcess", "NvmlError", "Open", "open_gpu"]


@dataclass(frozen=True, slots=True)
class GpuProcess:
    """A process with a context on the GPU; `memory_bytes` is None where the driver does not tell."""

    pid: int
    memory_bytes: int | None


class Gpu(Protocol):
    """A GPU. Every method raises NvmlError where the device does not support it."""

    @property
    def name(self) -> str: ...

    def energy_mj(self) -> int:
        """Millijoules since the driver was loaded."""

    def power_mw(self) -> int:
        """What the board draws, in milliwatts, as the driver averages it."""

    def utilisation(self) -> tuple[float, float]:
        """Shares of the last sampling period in which a kernel ran, and in which memory was read or written."""

    def slowdowns(self) -> int:
        """What holds the clocks back: bits of nvmlClocksEventReasons."""

    def processes(self) -> list[GpuProcess]:
        """Those that compute on it."""

    def busy_by_process(self, since_us: int) -> dict[int, float]:
        """Largest share of a sampling period that each process kept it busy for, since a time (us since 1970)."""

    def used_bytes(self) -> int:
        """Device memory in use, by whomever."""


Open = Callable[[str], Gpu]


def open_gpu(device: str) -> Gpu:
    """The GPU of "cuda" or "cuda:N", N counted as CUDA does within CUDA_VISIBLE_DEVICES.

    Raises:
        NvmlError: no package, no driver, or no such GPU.
    """
    nvml = load_nvml()
    entry = _visible(device, os.environ)
    try:
        handle = nvml.nvmlDeviceGetHandleByIndex(int(entry)) if entry.isdecimal() else _by_uuid(nvml, entry)
        return _NvmlGpu(nvml, handle, text_of(nvml.nvmlDeviceGetName(handle)))
    except nvml.NVMLError as error:
        raise NvmlError(f"NVML has no GPU {entry!r} for the device {device}: {error}") from None


def _visible(device: str, variables: Mapping[str, str]) -> str:
    """The index or UUID of a CUDA device.

    CUDA numbers GPUs by speed unless CUDA_DEVICE_ORDER=PCI_BUS_ID, NVML by bus; they agree where all GPUs are alike.
    """
    number = device.partition(":")[2] or "0"
    listed = [entry.strip() for entry in variables.get("CUDA_VISIBLE_DEVICES", "").split(",") if entry.strip()]
    if not listed or not number.isdecimal():
        return number
    if int(number) >= len(listed):
        raise NvmlError(f"CUDA_VISIBLE_DEVICES shows {len(listed)} GPUs, none of them {device}")
    return listed[int(number)]


def _by_uuid(nvml: Any, uuid: str) -> Any:
    handle = nvml.nvmlDeviceGetHandleByUUID(uuid)
    # A MIG slice has no counters of its own.
    return nvml.nvmlDeviceGetDeviceHandleFromMigDeviceHandle(handle) if uuid.startswith("MIG-") else handle


@dataclass(frozen=True, slots=True)
class _NvmlGpu:
    nvml: Any
    handle: Any
    name: str

    def _ask(self, function: str, *arguments: object) -> Any:
        ask = getattr(self.nvml, function, None)
        if ask is None:
            raise NvmlError(f"this nvidia-ml-py has no {function}")
        try:
            return ask(self.handle, *arguments)
        except self.nvml.NVMLError as error:
            raise NvmlError(f"{function}: {error}") from None

    def energy_mj(self) -> int:
        return int(self._ask("nvmlDeviceGetTotalEnergyConsumption"))

    def power_mw(self) -> int:
        return int(self._ask("nvmlDeviceGetPowerUsage"))

    def utilisation(self) -> tuple[float, float]:
        rates = self._ask("nvmlDeviceGetUtilizationRates")
        return rates.gpu / 100, rates.memory / 100

    def slowdowns(self) -> int:
        try:
            return int(self._ask("nvmlDeviceGetCurrentClocksEventReasons"))
        except NvmlError:
            return int(self._ask("nvmlDeviceGetCurrentClocksThrottleReasons"))  # its name in drivers before 535

    def processes(self) -> list[GpuProcess]:
        return [GpuProcess(one.pid, one.usedGpuMemory) for one in self._ask("nvmlDeviceGetComputeRunningProcesses")]

    def busy_by_process(self, since_us: int) -> dict[int, float]:
        busy: dict[int, float] = {}
        for sample in self._ask("nvmlDeviceGetProcessUtilization", since_us):
            busy[sample.pid] = max(busy.get(sample.pid, 0.0), sample.smUtil / 100)
        return busy

    def used_bytes(self) -> int:
        return int(self._ask("nvmlDeviceGetMemoryInfo").used)

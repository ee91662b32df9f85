"""Finds NVML (package nvidia-ml-py) and the GPUs; imported when they are first asked for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from profiler_agent.host import _files


class NvmlError(Exception):
    """NVML, or one function of it, is not to be had; the message says why."""


def load_nvml() -> Any:
    """The module, initialised. Raises NvmlError: no package or no driver."""
    try:
        import pynvml  # noqa: PLC0415 - only hosts with a GPU need it
    except ImportError:
        raise NvmlError("the package nvidia-ml-py is missing: pip install 'msearch[agent]'") from None
    try:
        pynvml.nvmlInit()  # counts; more than once is allowed
    except pynvml.NVMLError as error:
        raise NvmlError(f"NVML cannot be used: {error}") from None
    return pynvml


def text_of(value: str | bytes) -> str:
    """Names come as either, by version."""
    return value.decode(errors="replace") if isinstance(value, bytes) else value


def read_gpus(root: Path, load: Callable[[], Any] = load_nvml) -> dict[str, Any]:
    """Driver and GPUs as JSON values; null is unknown. Without NVML what the driver shows in /proc, and why no more."""
    try:
        nvml = load()
    except NvmlError as error:
        return _from_proc(root) | {"problem": str(error)}
    try:
        count = nvml.nvmlDeviceGetCount()
        return {
            "driver": text_of(nvml.nvmlSystemGetDriverVersion()),
            "cuda_driver": nvml.nvmlSystemGetCudaDriverVersion(),
            "devices": [_describe(nvml, nvml.nvmlDeviceGetHandleByIndex(index)) for index in range(count)],
            "problem": "",
        }
    except nvml.NVMLError as error:
        return _from_proc(root) | {"problem": f"NVML: {error}"}


def _describe(nvml: Any, handle: Any) -> dict[str, Any]:
    def ask(function: str, *arguments: object) -> Any:
        try:
            return getattr(nvml, function)(handle, *arguments)
        except (nvml.NVMLError, AttributeError):
            return None

    name, memory = ask("nvmlDeviceGetName"), ask("nvmlDeviceGetMemoryInfo")
    capability, mig = ask("nvmlDeviceGetCudaComputeCapability"), ask("nvmlDeviceGetMigMode")
    power = ask("nvmlDeviceGetEnforcedPowerLimit")
    return {
        "name": "" if name is None else text_of(name),
        "memory_bytes": None if memory is None else int(memory.total),
        "compute_capability": None if capability is None else f"{capability[0]}.{capability[1]}",
        "max_sm_mhz": ask("nvmlDeviceGetMaxClockInfo", nvml.NVML_CLOCK_SM),
        "max_memory_mhz": ask("nvmlDeviceGetMaxClockInfo", nvml.NVML_CLOCK_MEM),
        "power_limit_w": None if power is None else power / 1000,
        "mig": None if mig is None else bool(mig[0]),
    }


def _from_proc(root: Path) -> dict[str, Any]:
    version = _files.text(root, "proc/driver/nvidia/version").split()
    driver = next((word for word in version if word[0].isdecimal() and word.count(".") >= 1), "")
    devices = [
        {"name": _files.fields(_files.text(file.parent, file.name)).get("Model", "")}
        for file in sorted((root / "proc/driver/nvidia/gpus").glob("*/information"))
    ]
    return {"driver": driver, "cuda_driver": None, "devices": devices}

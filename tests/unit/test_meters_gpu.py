"""GPU readings replayed."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from profiler_agent.meters import _nvml
from profiler_agent.meters._nvml import GpuProcess, NvmlError
from profiler_agent.meters.base import MeterSetting
from profiler_agent.meters.gpu import GpuMeter
from profiler_agent.work import InvalidReason, Measurement
from tests.replayed_meters import HandDriven, ReplayedGpu, measured, no_gpu

PID = 4242
SETTING = MeterSetting(device="cuda:0", pid=PID)
GIB = 1 << 30


def run(gpu: ReplayedGpu, during: Callable[[HandDriven], object]) -> tuple[dict[str, Measurement], list[InvalidReason]]:
    hand = HandDriven()
    found = measured(GpuMeter(lambda device: gpu, hand), SETTING, lambda: during(hand))
    assert hand.looks == []
    return found


def test_utilisation_is_the_mean_of_what_was_seen() -> None:
    gpu = ReplayedGpu(rates=(0.5, 0.1))

    def during(hand: HandDriven) -> None:
        for rates in ((0.9, 0.3), (1.0, 0.2)):
            gpu.rates = rates
            hand.look()

    found, reasons = run(gpu, during)
    assert found["gpu_utilisation"].value == pytest.approx((0.5 + 0.9 + 1.0 + 1.0) / 4)
    assert found["memory_utilisation"].value == pytest.approx((0.1 + 0.3 + 0.2 + 0.2) / 4)
    assert reasons == []


def test_memory_is_the_largest_of_this_process() -> None:
    gpu = ReplayedGpu(running=[GpuProcess(1, 40 * GIB), GpuProcess(PID, 2 * GIB)], used=42 * GIB)

    def during(hand: HandDriven) -> None:
        gpu.running = [GpuProcess(PID, 5 * GIB)]
        hand.look()
        gpu.running = [GpuProcess(PID, 3 * GIB)]

    found, _ = run(gpu, during)
    assert found["device_memory_bytes"].value == 5 * GIB
    assert found["device_memory_bytes"].detail == "of this process"


@pytest.mark.parametrize("running", [[], [GpuProcess(7, 2 * GIB)], [GpuProcess(PID, None)]])
def test_memory_is_that_of_the_device_where_the_process_is_not_told(running: list[GpuProcess]) -> None:
    found, _ = run(ReplayedGpu(running=running, used=3 * GIB), lambda hand: None)
    assert found["device_memory_bytes"].value == 3 * GIB
    assert "whole device" in found["device_memory_bytes"].detail


@pytest.mark.parametrize(
    ("bits", "told"),
    [
        (0x08 | 0x40, "hardware slowdown, heat, by hardware"),
        (0x20, "heat, by software"),
        (0x80, "power brake"),
        (0x01 | 0x02 | 0x04 | 0x10 | 0x100, ""),
    ],
)
def test_slowdowns_seen_once_are_told_and_settings_are_not(bits: int, told: str) -> None:
    gpu = ReplayedGpu()

    def during(hand: HandDriven) -> None:
        gpu.slow = bits
        hand.look()
        gpu.slow = 0

    _, reasons = run(gpu, during)
    expected = [InvalidReason("throttled", f"the clocks of NVIDIA H100 80GB HBM3 were lowered: {told}")] if told else []
    assert reasons == expected


@pytest.mark.parametrize(
    ("busy", "disturbed"),
    [
        ({PID: 1.0}, False),
        ({PID: 1.0, 7: 0.05}, False),
        ({PID: 1.0, 7: 0.4}, True),
        ({7: 0.9}, False),  # this process under another number, as in a container
        ({7: 0.9, 8: 0.3}, True),
        ({}, False),
        (None, False),
    ],
)
def test_others_that_keep_the_gpu_busy(busy: dict[int, float] | None, disturbed: bool) -> None:
    _, reasons = run(ReplayedGpu(busy=busy), lambda hand: None)
    assert [reason.rule for reason in reasons] == (["disturbed"] if disturbed else [])
    if disturbed:
        assert "process 7 (" in reasons[0].detail
        assert "at most 5% is allowed" in reasons[0].detail


def test_what_a_board_does_not_support_is_told_one_by_one() -> None:
    found, reasons = run(ReplayedGpu(rates=None, slow=None, running=None), lambda hand: hand.look())
    assert {one.source for one in found.values()} == {"none"}
    assert found["gpu_utilisation"].detail == "utilisation: Not Supported"
    assert found["device_memory_bytes"].detail == "processes: Not Supported"
    assert reasons == []


def test_without_a_gpu_the_reason_is_given() -> None:
    found, _ = measured(GpuMeter(no_gpu), SETTING, lambda: None)
    assert {one.detail for one in found.values()} == {"NVML cannot be used: NVML Shared Library Not Found"}
    assert measured(GpuMeter(no_gpu), MeterSetting(device="cpu"), lambda: None) == ({}, [])


@pytest.mark.parametrize(
    ("device", "visible", "entry"),
    [
        ("cuda", None, "0"),
        ("cuda:1", None, "1"),
        ("cuda:1", "3,5", "5"),
        ("cuda:0", "GPU-1b2c, 2", "GPU-1b2c"),
        ("cuda:0", "MIG-77", "MIG-77"),
        ("cuda:0", "", "0"),
    ],
)
def test_devices_are_counted_as_cuda_does(
    monkeypatch: pytest.MonkeyPatch, device: str, visible: str | None, entry: str
) -> None:
    asked: list[object] = []

    def handle(key: object) -> object:
        asked.append(key)
        return key

    class Error(Exception):
        pass

    module: Any = SimpleNamespace(
        NVMLError=Error,
        nvmlInit=lambda: None,
        nvmlDeviceGetHandleByIndex=lambda index: handle(str(index)),
        nvmlDeviceGetHandleByUUID=handle,
        nvmlDeviceGetDeviceHandleFromMigDeviceHandle=lambda one: f"board of {one}",
        nvmlDeviceGetName=lambda one: f"name of {one}".encode(),
        nvmlDeviceGetPowerUsage=lambda one: 71_000,
    )
    monkeypatch.setitem(sys.modules, "pynvml", module)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    gpu = _nvml.open_gpu(device)
    assert asked == [entry]
    assert gpu.name == (f"name of board of {entry}" if entry.startswith("MIG-") else f"name of {entry}")
    assert gpu.power_mw() == 71_000
    with pytest.raises(NvmlError, match="no nvmlDeviceGetTotalEnergyConsumption"):
        gpu.energy_mj()


def test_a_device_beyond_those_that_cuda_shows_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    module: Any = SimpleNamespace(NVMLError=RuntimeError, nvmlInit=lambda: None)
    monkeypatch.setitem(sys.modules, "pynvml", module)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    with pytest.raises(NvmlError, match="shows 1 GPUs, none of them cuda:1"):
        _nvml.open_gpu("cuda:1")


def test_every_constant_and_function_of_the_library_exists() -> None:
    """The names that the meters use, in the library itself; it imports without a driver."""
    pynvml = pytest.importorskip("pynvml", reason="nvidia-ml-py is not installed")
    for name in (
        "nvmlInit", "nvmlDeviceGetHandleByIndex", "nvmlDeviceGetHandleByUUID", "nvmlDeviceGetName",
        "nvmlDeviceGetDeviceHandleFromMigDeviceHandle", "nvmlDeviceGetTotalEnergyConsumption",
        "nvmlDeviceGetPowerUsage", "nvmlDeviceGetUtilizationRates", "nvmlDeviceGetCurrentClocksEventReasons",
        "nvmlDeviceGetComputeRunningProcesses", "nvmlDeviceGetProcessUtilization", "nvmlDeviceGetMemoryInfo",
        "nvmlDeviceGetCount", "nvmlSystemGetDriverVersion", "nvmlSystemGetCudaDriverVersion",
        "nvmlDeviceGetCudaComputeCapability", "nvmlDeviceGetMigMode", "nvmlDeviceGetMaxClockInfo",
        "nvmlDeviceGetEnforcedPowerLimit",
    ):  # fmt: skip
        assert callable(getattr(pynvml, name))
    assert pynvml.nvmlClocksEventReasonHwSlowdown == 0x08
    assert pynvml.nvmlClocksEventReasonSwThermalSlowdown == 0x20
    assert pynvml.nvmlClocksEventReasonHwThermalSlowdown == 0x40
    assert pynvml.nvmlClocksEventReasonHwPowerBrakeSlowdown == 0x80
    assert {field for field, _ in pynvml.c_nvmlProcessUtilizationSample_t._fields_} >= {"pid", "smUtil"}

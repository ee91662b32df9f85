"""The meters that read NVML, on a real GPU under a real load."""

from __future__ import annotations

import time

import pytest

from profiler_agent.backends._cuda_driver import CudaDevice
from profiler_agent.meters import MeterSetting, find_meters, measure_idle_power
from profiler_agent.work import Measurement
from tests.gpu.devices import DEVICE

pytestmark = [pytest.mark.gpu, pytest.mark.usefixtures("gpu")]

BUSY_S = 1.0


def busy_gpu() -> int:
    """Multiplies matrices for a second; gives how many times."""
    try:
        import torch
    except ImportError as error:
        pytest.skip(f"the load is made with torch, which cannot be imported ({error})")
    if not torch.cuda.is_available():
        pytest.skip(f"the load is made with torch, and torch {torch.__version__} finds no GPU")
    matrix = torch.randn(4096, 4096, device=DEVICE)
    until, done = time.monotonic() + BUSY_S, 0
    while time.monotonic() < until:
        matrix = (matrix @ matrix).clamp(-1, 1)
        torch.cuda.synchronize()
        done += 1
    return done


def measured(name: str) -> tuple[dict[str, Measurement], int]:
    reading = find_meters()[name].start(MeterSetting(device=DEVICE))
    done = busy_gpu()
    measurements, _ = reading.stop(done)
    return {measurement.name: measurement for measurement in measurements}, done


def had(measurement: Measurement) -> float:
    """Its value; the test skips with the meter's own reason where it could not be had."""
    if measurement.source == "none":
        pytest.skip(f"{measurement.name}: {measurement.detail}")
    return measurement.value


def test_utilisation_and_memory_are_seen(gpu: CudaDevice) -> None:
    measurements, _ = measured("gpu")
    assert had(measurements["gpu_utilisation"]) > 0.3
    assert 0.0 <= had(measurements["memory_utilisation"]) <= 1.0
    assert had(measurements["device_memory_bytes"]) >= 4096 * 4096 * 4


def test_energy_is_plausible_and_names_its_source(gpu: CudaDevice) -> None:
    measurements, done = measured("energy_nvml")
    energy = measurements["energy_j"]
    watts = had(energy) * done / BUSY_S
    assert energy.source in ("nvml_counter", "power_integral")
    assert 10.0 < watts < 2000.0
    assert had(measurements["power_w"]) == pytest.approx(watts, rel=0.5)


def test_idle_power_is_less_than_power_under_load(gpu: CudaDevice) -> None:
    idle = measure_idle_power(DEVICE)
    if idle is None:
        pytest.skip("no meter tells the idle power of this GPU")
    measurements, _ = measured("energy_nvml")
    assert 0.0 < idle < had(measurements["power_w"])

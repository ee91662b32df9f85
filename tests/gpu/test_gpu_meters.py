"""Meters and fingerprint on a real NVIDIA GPU."""

from __future__ import annotations

import os
import time

import pytest

from profiler_agent.host import fingerprint, host_class
from profiler_agent.meters import MeterSetting, find_meters, measure_idle_power
from profiler_agent.meters._nvml import NvmlError, open_gpu
from profiler_agent.work import Measurement

pytestmark = pytest.mark.gpu
GIB = 1 << 30


@pytest.fixture(scope="module", autouse=True)
def gpu() -> None:
    try:
        open_gpu("cuda:0")
    except NvmlError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def found() -> dict[str, Measurement]:
    """Two seconds of matrix products with 1 GiB held."""
    torch = pytest.importorskip("torch", reason="torch is not installed")
    if not torch.cuda.is_available():
        pytest.skip("this torch cannot use CUDA")
    idle_w = measure_idle_power("cuda:0")
    held = torch.empty(GIB, dtype=torch.uint8, device="cuda:0")
    matrix = torch.ones(4096, 4096, device="cuda:0")
    setting = MeterSetting(device="cuda:0", pid=os.getpid(), idle_w=idle_w)
    readings = [meter.start(setting) for meter in find_meters().values()]
    end = time.monotonic() + 2
    while time.monotonic() < end:
        matrix @ matrix
        torch.cuda.synchronize()
    measurements = [one for reading in readings for one in reading.stop(1_000)[0]]
    assert held.numel() == GIB
    return {one.name: one for one in measurements}


def test_energy_comes_from_the_boards_counter(found: dict[str, Measurement]) -> None:
    assert found["energy_j"].source in ("nvml_counter", "power_integral")
    assert 10 < found["power_w"].value < 2_000
    assert 0 < found["energy_net_j"].value < found["energy_j"].value


def test_a_busy_gpu_is_seen(found: dict[str, Measurement]) -> None:
    assert found["gpu_utilisation"].value > 0.3
    assert 0 <= found["memory_utilisation"].value <= 1


def test_device_memory_holds_what_was_allocated(found: dict[str, Measurement]) -> None:
    assert found["device_memory_bytes"].value > GIB


def test_the_host_class_names_the_gpu() -> None:
    host = fingerprint()
    assert host["gpu"]["problem"] == ""
    assert host["gpu"]["driver"]
    first = host["gpu"]["devices"][0]
    assert first["memory_bytes"] > GIB
    assert f"{sum(one['name'] == first['name'] for one in host['gpu']['devices'])}x" in host_class(host)

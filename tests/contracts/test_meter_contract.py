"""What every meter must do, whoever wrote it: run over all that discovery finds."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from profiler_agent.meters import Meter, MeterSetting, find_meters
from profiler_agent.work import InvalidReason, Measurement
from search_service.domain.metrics import QUANTITIES

METERS = find_meters()
RULES = {"disturbed", "throttled", "memory_pressure"}
DEVICES = ["cpu", "cuda:0", "cuda:99", "GPU.1"]


@pytest.fixture(params=METERS.values(), ids=METERS.keys())
def meter(request: pytest.FixtureRequest) -> Meter:
    return request.param


@pytest.fixture(scope="module")
def ended_pid() -> int:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


def run(meter: Meter, setting: MeterSetting, inferences: int = 10) -> tuple[list[Measurement], list[InvalidReason]]:
    measurements, reasons = meter.start(setting).stop(inferences)
    return list(measurements), list(reasons)


def check(measurements: list[Measurement], reasons: list[InvalidReason]) -> None:
    for one in measurements:
        assert one.name in QUANTITIES, "a quantity that no constraint can name"
        assert one.unit == QUANTITIES[one.name].unit
        assert one.source
        assert math.isfinite(one.value)
        if one.source == "none":
            assert one.detail, "what could not be measured says why"
    assert len({one.name for one in measurements}) == len(measurements)
    for reason in reasons:
        assert reason.rule in RULES
        assert any(character.isdigit() for character in reason.detail) or "limit" in reason.detail


def test_meters_are_named_after_their_file(meter: Meter) -> None:
    assert type(meter).__module__ == f"profiler_agent.meters.{meter.name}"


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("inferences", [0, 1, 10**9])
def test_a_run_is_measured_or_the_reason_given(meter: Meter, device: str, inferences: int) -> None:
    check(*run(meter, MeterSetting(device=device), inferences))


@pytest.mark.parametrize("device", DEVICES)
def test_a_process_that_has_ended_is_no_error(meter: Meter, device: str, ended_pid: int) -> None:
    check(*run(meter, MeterSetting(device=device, pid=ended_pid)))


def test_a_broken_price_table_is_no_error(meter: Meter, tmp_path: Path) -> None:
    for content in ("[here", "here = 3", "[here]\nusd_per_hour = 'much'", "[here]\nregion = 'Atlantis'\npue = 0.1"):
        table = tmp_path / "prices.toml"
        table.write_text(content)
        check(*run(meter, MeterSetting(device="cpu", price_table=table)))
    check(*run(meter, MeterSetting(device="cpu", price_table=tmp_path / "missing.toml")))


@pytest.mark.parametrize("device", DEVICES)
def test_a_device_has_one_meter_for_each_quantity(device: str) -> None:
    names = [one.name for meter in METERS.values() for one in run(meter, MeterSetting(device=device))[0]]
    assert len(names) == len(set(names))
    always = {
        "cpu_utilisation",
        "peak_memory_bytes",
        "energy_j",
        "energy_net_j",
        "power_w",
        "co2_g_per_1k",
        "cost_per_1k",
    }
    assert always <= set(names)


def test_readings_are_independent(meter: Meter) -> None:
    first = meter.start(MeterSetting(device="cpu"))
    second = meter.start(MeterSetting(device="cpu"))
    for reading in (first, second):
        measurements, reasons = reading.stop(5)
        check(list(measurements), list(reasons))


def test_nothing_goes_on_after_a_reading(meter: Meter) -> None:
    run(meter, MeterSetting(device="cpu"))
    for thread in threading.enumerate():
        if thread.name == "meters":
            thread.join(5)
            assert not thread.is_alive()


def test_the_process_itself_is_what_is_measured_by_default() -> None:
    assert MeterSetting(device="cpu").pid == os.getpid()

"""Energy replayed from recorded counters: sums, wraps, losses, and what follows from joules."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from profiler_agent.meters import measure_idle_power
from profiler_agent.meters.base import MeterSetting
from profiler_agent.meters.energy_nvml import NvmlEnergyMeter
from profiler_agent.meters.energy_rapl import RaplMeter
from tests.recorded_hosts import write_tree
from tests.replayed_meters import HandDriven, ReplayedGpu, measured, no_gpu

CPU = MeterSetting(device="cpu")
GPU = MeterSetting(device="cuda:0")
NAMES = {"energy_j", "energy_net_j", "power_w", "co2_g_per_1k"}


class Powercap:
    """The RAPL domains of a machine with two packages."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.hand = HandDriven()
        self.meter = RaplMeter(root, self.hand.clock, self.hand.sleep)
        for folder, name in {
            "intel-rapl:0": "package-0", "intel-rapl:0:0": "core", "intel-rapl:0:1": "dram",
            "intel-rapl:1": "package-1", "intel-rapl:2": "psys", "intel-rapl-mmio:0": "package-0",
        }.items():  # fmt: skip
            write_tree(root, {f"sys/class/powercap/{folder}/name": f"{name}\n"})
            self.set(folder, 1_000_000)
        write_tree(root, {"sys/class/powercap/intel-rapl/enabled": "1\n"})

    def file(self, folder: str) -> Path:
        return self.root / "sys/class/powercap" / folder / "energy_uj"

    def set(self, folder: str, microjoules: int) -> None:
        self.file(folder).write_text(f"{microjoules}\n")

    def run(self, seconds: float = 2.0, **end: int) -> Callable[[], None]:
        def during() -> None:
            self.hand.pass_time(seconds)
            for name, value in end.items():
                self.set({"p0": "intel-rapl:0", "dram": "intel-rapl:0:1", "p1": "intel-rapl:1"}[name], value)
            # What must not count twice.
            for folder in ("intel-rapl:0:0", "intel-rapl:2", "intel-rapl-mmio:0"):
                self.set(folder, 90_000_000)

        return during


@pytest.fixture
def powercap(tmp_path: Path) -> Powercap:
    return Powercap(tmp_path)


def test_packages_and_memory_add_up_and_parts_do_not_count_twice(powercap: Powercap) -> None:
    found, reasons = measured(powercap.meter, CPU, powercap.run(p0=61_000_000, dram=11_000_000, p1=31_000_000))
    assert found["energy_j"].value == pytest.approx(100.0 / 1000)
    assert found["power_w"].value == pytest.approx(50.0)
    assert found["energy_j"].source == found["power_w"].source == "rapl_counter"
    assert "100 J in 2 s for 1000 inferences" in found["energy_j"].detail
    assert reasons == []


def test_net_energy_is_beyond_idle(powercap: Powercap) -> None:
    idle = MeterSetting(device="cpu", idle_w=20.0)
    found, _ = measured(powercap.meter, idle, powercap.run(p0=101_000_000))
    assert found["energy_j"].value == pytest.approx(0.1)
    assert found["energy_net_j"].value == pytest.approx((100 - 20 * 2) / 1000)
    without, _ = measured(powercap.meter, CPU, powercap.run(p0=201_000_000))
    assert without["energy_net_j"].source == "none"
    assert "idle power" in without["energy_net_j"].detail


def test_a_counter_that_wrapped_is_an_error_not_a_number(powercap: Powercap) -> None:
    powercap.set("intel-rapl:0", 262_143_000_000)
    found, _ = measured(powercap.meter, CPU, powercap.run(p0=5_000_000))
    assert set(found) == NAMES
    for one in found.values():
        assert one.source == "none"
        assert one.detail.startswith(
            "error: the energy counter package-0 (intel-rapl:0) ran from 262143000000 to 5000000"
        )
        assert "wrapped or was reset" in one.detail


def test_a_negative_counter_is_an_error(powercap: Powercap) -> None:
    found, _ = measured(powercap.meter, CPU, powercap.run(p1=-5))
    assert found["energy_j"].source == "none"
    assert "is negative (-5 uJ)" in found["energy_j"].detail


def test_a_counter_that_vanishes_during_the_run_is_an_error(powercap: Powercap) -> None:
    def during() -> None:
        powercap.hand.pass_time(2)
        powercap.file("intel-rapl:1").unlink()
        (powercap.file("intel-rapl:1").parent / "name").write_text("gone\n")

    found, _ = measured(powercap.meter, CPU, during)
    assert found["energy_j"].source == "none"
    assert found["energy_j"].detail == "error: the energy counter package-1 (intel-rapl:1) vanished during the run"


def test_a_host_without_counters_says_so(tmp_path: Path) -> None:
    found, _ = measured(RaplMeter(tmp_path), CPU, lambda: None)
    assert set(found) == NAMES
    assert "this host has no RAPL counters" in found["energy_j"].detail
    (tmp_path / "sys/class/powercap").mkdir(parents=True)
    found, _ = measured(RaplMeter(tmp_path), CPU, lambda: None)
    assert "shows no package" in found["energy_j"].detail


def test_a_counter_that_may_not_be_read_says_so(powercap: Powercap, monkeypatch: pytest.MonkeyPatch) -> None:
    """As root nothing is forbidden, so the refusal is the operating system's word for it."""
    read_text = Path.read_text

    def refused(self: Path, *arguments: object, **options: object) -> str:
        if self.name == "energy_uj":
            raise PermissionError(13, "Permission denied")
        return read_text(self, *arguments, **options)

    monkeypatch.setattr(Path, "read_text", refused)
    found, _ = measured(powercap.meter, CPU, lambda: None)
    assert found["energy_j"].detail == "cannot read /sys/class/powercap/intel-rapl:0/energy_uj: Permission denied"


def test_no_inference_no_energy_per_inference(powercap: Powercap) -> None:
    found, _ = measured(powercap.meter, CPU, powercap.run(p0=3_000_000), inferences=0)
    assert found["energy_j"].source == "none"
    assert found["power_w"].value == pytest.approx(1.0)


def test_idle_power_of_packages(powercap: Powercap) -> None:
    def sleep(seconds: float) -> None:
        powercap.hand.pass_time(seconds)
        powercap.set("intel-rapl:0", 1_000_000 + 15_000_000)

    meter = RaplMeter(powercap.root, powercap.hand.clock, sleep)
    assert meter.idle_power("cpu", 0.5) == pytest.approx(30.0)
    assert meter.idle_power("cuda:0", 0.5) is None
    assert RaplMeter(powercap.root / "nothing").idle_power("cpu", 0.5) is None


def test_where_no_meter_can_tell_idle_power_is_unknown_at_once() -> None:
    assert measure_idle_power("cuda:99", seconds=3600) is None


def test_carbon_and_its_formula(powercap: Powercap, tmp_path: Path) -> None:
    table = tmp_path / "prices.toml"
    table.write_text('[here]\nregion = "DE"\npue = 1.2\n[regions]\nDE = { g_per_kwh = 381 }\n')
    setting = MeterSetting(device="cpu", price_table=table)
    found, _ = measured(powercap.meter, setting, powercap.run(p0=3_601_000_000))
    # 3.6 J an inference, 1,000 of them are 3,600 J, a thousandth of a kWh.
    assert found["co2_g_per_1k"].value == pytest.approx(0.001 * 381 * 1.2)
    assert found["co2_g_per_1k"].unit == "g"
    assert found["co2_g_per_1k"].detail.startswith("1000 x 3.6 J / 3.6e6 x 381 g/kWh (DE) x PUE 1.2 [prices")


def test_carbon_without_a_region_says_how_to_set_one(powercap: Powercap) -> None:
    found, _ = measured(powercap.meter, CPU, powercap.run(p0=2_000_000))
    assert found["co2_g_per_1k"].source == "none"
    assert "set here.region or here.g_per_kwh in" in found["co2_g_per_1k"].detail


def nvml(gpu: ReplayedGpu, hand: HandDriven) -> NvmlEnergyMeter:
    return NvmlEnergyMeter(lambda device: gpu, hand, hand.clock, hand.sleep)


def test_the_boards_counter_comes_first() -> None:
    gpu, hand = ReplayedGpu(energy=5_000_000, power=300_000), HandDriven()

    def during() -> None:
        hand.pass_time(2)
        gpu.energy = 5_600_000

    found, _ = measured(nvml(gpu, hand), GPU, during)
    assert found["energy_j"].value == pytest.approx(0.6)
    assert found["power_w"].value == pytest.approx(300.0)
    assert found["energy_j"].source == "nvml_counter"
    assert hand.looks == []


@pytest.mark.parametrize("after", [4_999_999, 0, -1])
def test_a_boards_counter_that_runs_backwards_is_an_error(after: int) -> None:
    gpu, hand = ReplayedGpu(energy=5_000_000), HandDriven()
    found, _ = measured(nvml(gpu, hand), GPU, lambda: setattr(gpu, "energy", after))
    assert found["energy_j"].source == "none"
    assert f"ran from 5000000 to {after} mJ: it wrapped or was reset" in found["energy_j"].detail


def test_a_boards_counter_that_is_lost_is_an_error() -> None:
    gpu, hand = ReplayedGpu(energy=5_000_000, power=1), HandDriven()
    found, _ = measured(nvml(gpu, hand), GPU, lambda: setattr(gpu, "energy", None))
    assert found["energy_j"].source == "none"
    assert found["energy_j"].detail.startswith("error: the energy counter vanished")


def test_without_a_counter_power_is_integrated_by_trapezoids() -> None:
    gpu, hand = ReplayedGpu(power=100_000), HandDriven()

    def during() -> None:
        for power in (200_000, 300_000):
            hand.pass_time(1)
            gpu.power = power
            hand.look()
        hand.pass_time(1)
        gpu.power = 100_000

    found, _ = measured(nvml(gpu, hand), GPU, during)
    assert found["energy_j"].value == pytest.approx((150 + 250 + 200) / 1000)
    assert found["power_w"].value == pytest.approx(200.0)
    assert found["energy_j"].source == "power_integral"
    assert hand.looks == []


def test_two_looks_at_power_are_no_integral() -> None:
    gpu, hand = ReplayedGpu(power=100_000), HandDriven()
    found, _ = measured(nvml(gpu, hand), GPU, lambda: hand.pass_time(1))
    assert found["energy_j"].source == "none"
    assert "read only 2 times" in found["energy_j"].detail


def test_power_that_is_lost_is_an_error() -> None:
    gpu, hand = ReplayedGpu(power=100_000), HandDriven()

    def during() -> None:
        for power in (100_000, None, 100_000, 100_000):
            hand.pass_time(1)
            gpu.power = power
            hand.look()

    found, _ = measured(nvml(gpu, hand), GPU, during)
    assert found["energy_j"].source == "none"
    assert found["energy_j"].detail.startswith("error: power could not be read")


def test_a_board_with_neither_says_so() -> None:
    found, _ = measured(nvml(ReplayedGpu(), HandDriven()), GPU, lambda: None)
    assert set(found) == NAMES
    assert "has neither an energy counter nor power" in found["energy_j"].detail


def test_each_device_has_its_own_meter(powercap: Powercap) -> None:
    assert measured(powercap.meter, GPU, lambda: None) == ({}, [])
    assert measured(NvmlEnergyMeter(no_gpu), CPU, lambda: None) == ({}, [])
    found, _ = measured(NvmlEnergyMeter(no_gpu), GPU, lambda: None)
    assert found["energy_j"].detail == "NVML cannot be used: NVML Shared Library Not Found"


def test_idle_power_of_a_board() -> None:
    gpu, hand = ReplayedGpu(power=70_000), HandDriven()
    assert nvml(gpu, hand).idle_power("cuda:0", 0.6) == pytest.approx(70.0)
    assert hand.now_ns == pytest.approx(6e8)
    assert nvml(ReplayedGpu(), hand).idle_power("cuda:0", 0.6) is None
    assert nvml(gpu, hand).idle_power("cpu", 0.6) is None

"""CPU, memory and disturbances replayed from recorded counters."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from profiler_agent.meters import _proc
from profiler_agent.meters.base import MeterSetting
from profiler_agent.meters.cpu import CpuMeter
from profiler_agent.meters.interference import InterferenceMeter
from profiler_agent.meters.memory_pressure import MemoryPressureMeter
from profiler_agent.meters.process_memory import ProcessMemoryMeter
from profiler_agent.meters.throttling import ThrottlingMeter
from profiler_agent.work import InvalidReason, Measurement
from tests.recorded_hosts import write_tree
from tests.replayed_meters import HandDriven, measured

PID = 4242
SETTING = MeterSetting(device="cpu", pid=PID)
TICK = _proc.TICKS_PER_SECOND


class Host:
    """The counters of a machine, in seconds and kB."""

    def __init__(self, root: Path, cpus: int = 2) -> None:
        self.root = root
        self.hand = HandDriven()
        self.cpus = cpus
        self.status(hwm=200_000, rss=150_000)
        self.own(user=10.0)
        self.busy(*[100.0] * cpus)
        write_tree(root, {f"proc/{PID}/cgroup": "0::/agent\n", "sys/fs/cgroup/cgroup.controllers": "cpu memory\n"})
        write_tree(root, {"sys/fs/cgroup/agent/cpu.stat": "usage_usec 5\nnr_throttled 0\nthrottled_usec 0\n"})

    def write(self, path: str, content: object) -> None:
        write_tree(self.root, {path: f"{content}\n"})

    def status(self, *, hwm: int, rss: int) -> None:
        allowed = f"0-{self.cpus - 1}" if self.cpus > 1 else "0"
        self.write(f"proc/{PID}/status", f"VmHWM:\t  {hwm} kB\nVmRSS:\t  {rss} kB\nCpus_allowed_list:\t{allowed}")

    def own(self, *, user: float, system: float = 0.0, children: float = 0.0) -> None:
        """A command whose name is as confusing as names can be."""
        times = " ".join(str(round(seconds * TICK)) for seconds in (user, system, children, 0.0))
        self.write(f"proc/{PID}/stat", f"{PID} (py) 3 (x) S 1 2 3 0 -1 4194304 1 2 3 4 {times} 20 0 1 0 99")

    def busy(self, *seconds: float, stolen: float = 0.0) -> None:
        """Time in user mode of each CPU; stolen on the first; one more CPU that the process may not use."""
        lines = [
            f"cpu{cpu} {round(each * TICK)} 0 0 999999 7 0 0 {round(stolen * TICK) if cpu == 0 else 0} 0 0"
            for cpu, each in enumerate((*seconds, 1e6 + self.hand.now_ns))
        ]
        self.write("proc/stat", "cpu  1 2 3 4 5 6 7 8 9 10\n" + "\n".join(lines))


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def run(meter: object, during: Callable[[], object]) -> tuple[dict[str, Measurement], list[InvalidReason]]:
    return measured(meter, SETTING, during)


def reason(meter: object, during: Callable[[], object]) -> InvalidReason | None:
    _, reasons = run(meter, during)
    assert len(reasons) <= 1
    return reasons[0] if reasons else None


def test_cpu_seconds_count_user_system_and_ended_children(host: Host) -> None:
    def during() -> None:
        host.hand.pass_time(4)
        host.own(user=11.5, system=1.0, children=0.5)

    found, reasons = run(CpuMeter(host.root, host.hand.clock), during)
    assert found["cpu_utilisation"].value == pytest.approx(3.0 / 4)
    assert found["cpu_utilisation"].detail == "3.00 CPU seconds in 4.00 s"
    assert reasons == []


@pytest.mark.parametrize("broken", ["", "4242 (python", "4242 (python) S 1 2"])
def test_a_stat_of_unknown_form_is_told(host: Host, broken: str) -> None:
    found, _ = run(CpuMeter(host.root, host.hand.clock), lambda: host.write(f"proc/{PID}/stat", broken))
    assert found["cpu_utilisation"].source == "none"
    assert found["cpu_utilisation"].detail == f"/proc/{PID}/stat has an unknown form"


def test_cpu_time_that_runs_backwards_is_no_utilisation(host: Host) -> None:
    def during() -> None:
        host.hand.pass_time(1)
        host.own(user=9.0)

    found, _ = run(CpuMeter(host.root, host.hand.clock), during)
    assert found["cpu_utilisation"].source == "none"


def test_a_high_water_mark_that_rises_is_the_runs_peak(host: Host) -> None:
    meter = ProcessMemoryMeter(host.root, host.hand)
    found, _ = run(meter, lambda: host.status(hwm=260_000, rss=140_000))
    one = found["peak_memory_bytes"]
    assert (one.value, one.source) == (260_000 * 1024, "VmHWM")
    assert host.hand.looks == []


def test_a_peak_before_the_run_is_not_the_runs(host: Host) -> None:
    def during() -> None:
        for rss in (160_000, 185_000, 170_000):
            host.status(hwm=200_000, rss=rss)
            host.hand.look()

    found, _ = run(ProcessMemoryMeter(host.root, host.hand), during)
    one = found["peak_memory_bytes"]
    assert (one.value, one.source) == (185_000 * 1024, "VmRSS")
    assert f"had {200_000 * 1024} bytes before" in one.detail


def test_the_mark_is_reset_where_that_is_allowed(host: Host) -> None:
    host.write(f"proc/{PID}/clear_refs", "")
    run(ProcessMemoryMeter(host.root, host.hand), lambda: None)
    assert (host.root / f"proc/{PID}/clear_refs").read_text() == "5"


def test_memory_of_a_process_that_ended_is_told(host: Host) -> None:
    def during() -> None:
        (host.root / f"proc/{PID}/status").unlink()
        host.hand.look()

    found, _ = run(ProcessMemoryMeter(host.root, host.hand), during)
    assert found["peak_memory_bytes"].detail == f"cannot read /proc/{PID}/status: No such file or directory"
    assert host.hand.looks == []


@pytest.mark.parametrize(("foreign", "disturbed"), [(0.0, False), (0.19, False), (0.25, True), (3.0, True)])
def test_what_others_took_of_the_allowed_cpus(host: Host, foreign: float, disturbed: bool) -> None:
    def during() -> None:
        host.hand.pass_time(2)
        host.own(user=11.0, system=0.5)
        host.busy(101.5, 100.0 + foreign)

    told = reason(InterferenceMeter(host.root, host.hand.clock), during)
    assert (told is not None) is disturbed
    if told:
        assert told.rule == "disturbed"
        assert told.detail == f"other processes kept {foreign / 2:.2f} of 2 CPUs busy, at most 0.1 are allowed"


def test_stolen_time_counts(host: Host) -> None:
    def during() -> None:
        host.hand.pass_time(2)
        host.busy(100.0, 100.0, stolen=0.5)

    assert reason(InterferenceMeter(host.root, host.hand.clock), during) is not None


@pytest.mark.parametrize(("foreign", "disturbed"), [(1.2, False), (1.4, True)])
def test_a_large_host_may_have_daemons(tmp_path: Path, foreign: float, disturbed: bool) -> None:
    host = Host(tmp_path, cpus=64)

    def during() -> None:
        host.hand.pass_time(1)
        host.busy(100.0 + foreign, *[100.0] * 63)

    assert (reason(InterferenceMeter(host.root, host.hand.clock), during) is not None) is disturbed


def test_a_host_that_shows_no_counters_is_not_called_disturbed(tmp_path: Path) -> None:
    for meter in (InterferenceMeter(tmp_path), MemoryPressureMeter(tmp_path), ThrottlingMeter(tmp_path)):
        assert reason(meter, lambda: None) is None


@pytest.mark.parametrize(("stopped_us", "throttled"), [(0, False), (15_000, False), (25_000, True)])
def test_a_cpu_quota_that_stops_threads(host: Host, stopped_us: int, throttled: bool) -> None:
    def during() -> None:
        host.hand.pass_time(2)
        host.write("sys/fs/cgroup/agent/cpu.stat", f"nr_throttled 3\nthrottled_usec {stopped_us}")

    told = reason(ThrottlingMeter(host.root, host.hand, host.hand.clock), during)
    assert (told is not None) is throttled
    if told:
        assert told == InvalidReason("throttled", "a CPU quota stopped threads for 0.025 s of 2 s, at most 1% may be")


def test_quotas_of_groups_around_and_of_version_1_count(host: Host) -> None:
    host.write(f"proc/{PID}/cgroup", "3:cpu,cpuacct:/docker/abc")
    host.write("sys/fs/cgroup/cpu,cpuacct/docker/cpu.stat", "throttled_time 0")

    def during() -> None:
        host.hand.pass_time(2)
        host.write("sys/fs/cgroup/cpu,cpuacct/docker/cpu.stat", "throttled_time 100000000")

    assert reason(ThrottlingMeter(host.root, host.hand, host.hand.clock), during) is not None


def test_throttling_for_heat_is_counted(host: Host) -> None:
    path = "sys/devices/system/cpu/cpu1/thermal_throttle/core_throttle_count"
    host.write(path, 7)
    told = reason(ThrottlingMeter(host.root, host.hand, host.hand.clock), lambda: host.write(path, 9))
    assert told == InvalidReason("throttled", "CPUs were throttled for heat 2 times")


@pytest.mark.parametrize(("last_khz", "throttled"), [(3_000_000, False), (2_750_000, False), (2_600_000, True)])
def test_a_clock_that_falls(host: Host, last_khz: int, throttled: bool) -> None:
    path = "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq"
    idle = "sys/devices/system/cpu/cpu1/cpufreq/scaling_cur_freq"
    host.write(path, 3_000_000)
    host.write(idle, 800_000)

    def during() -> None:
        for khz in [3_000_000] * 5 + [last_khz] * 5:
            host.write(path, khz)
            host.hand.look()

    told = reason(ThrottlingMeter(host.root, host.hand, host.hand.clock), during)
    assert (told is not None) is throttled
    if told:
        assert "the clock fell from 3.00 to 2.60 GHz" in told.detail
    assert host.hand.looks == []


@pytest.mark.parametrize(("stalled_us", "short"), [(0, False), (19_000, False), (21_000, True)])
def test_stalls_for_memory(host: Host, stalled_us: int, short: bool) -> None:
    path = "proc/pressure/memory"
    host.write(path, "some avg10=0.00 avg60=0.00 avg300=0.00 total=500\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0")

    def during() -> None:
        host.hand.pass_time(2)
        host.write(path, f"some avg10=9.00 avg60=0.00 avg300=0.00 total={500 + stalled_us}\nfull total=0")

    told = reason(MemoryPressureMeter(host.root, host.hand.clock), during)
    assert (told is not None) is short
    if told:
        assert told == InvalidReason("memory_pressure", "tasks waited 0.021 s of 2 s for memory, at most 1% may be")


def test_pages_from_swap(host: Host) -> None:
    host.write("proc/vmstat", "pswpin 10\npswpout 4")
    meter = MemoryPressureMeter(host.root, host.hand.clock)
    assert reason(meter, lambda: host.write("proc/vmstat", "pswpin 10\npswpout 9")) is None
    told = reason(meter, lambda: host.write("proc/vmstat", "pswpin 12\npswpout 9"))
    assert told == InvalidReason("memory_pressure", "2 pages were read back from swap")


@pytest.mark.parametrize(
    ("file", "before", "after"),
    [
        ("sys/fs/cgroup/agent/memory.events", "low 0\nhigh 0\nmax 3\noom 0", "low 0\nhigh 0\nmax 4\noom 0"),
        ("sys/fs/cgroup/memory.events", "low 0\nhigh 1\nmax 0", "low 0\nhigh 2\nmax 0"),
        ("sys/fs/cgroup/agent/memory.failcnt", "5", "6"),
    ],
)
def test_a_memory_limit_that_is_reached(host: Host, file: str, before: str, after: str) -> None:
    host.write(file, before)
    meter = MemoryPressureMeter(host.root, host.hand.clock)
    assert reason(meter, lambda: host.write(file, before)) is None
    told = reason(meter, lambda: host.write(file, after))
    assert told == InvalidReason("memory_pressure", "the memory limit of the control group was reached")


def test_lists_of_cpus() -> None:
    assert _proc.parse_cpus("0-3,8") == {0, 1, 2, 3, 8}
    assert _proc.parse_cpus("5") == {5}
    assert _proc.parse_cpus("") == set()

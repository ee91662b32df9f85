"""Recorded machines, and this one."""

from __future__ import annotations

import json
import os
import platform
import re
from pathlib import Path
from typing import Any

import pytest

from profiler_agent.host import fingerprint, host_class
from profiler_agent.host.nvml import NvmlError, load_nvml
from tests.recorded_hosts import (
    BARE_XEON,
    EPYC_CONTAINER,
    GRAVITON,
    NVIDIA_DRIVER,
    OLD_CGROUPS,
    Tree,
    replayed_nvml,
    status,
    write_tree,
)


def no_nvml() -> Any:
    raise NvmlError("NVML cannot be used: NVML Shared Library Not Found")


def recorded(
    root: Path, *trees: Tree, load: Any = no_nvml, environment: dict[str, str] | None = None
) -> dict[str, Any]:
    return fingerprint(write_tree(root, *trees), load=load, environment=environment or {})


def test_a_bare_server(tmp_path: Path) -> None:
    host = recorded(tmp_path, BARE_XEON, environment={"OMP_NUM_THREADS": "4", "HOME": "/home/someone"})
    cpu = host["cpu"]
    assert cpu["model"] == "Intel(R) Xeon(R) Platinum 8481C CPU @ 2.70GHz"
    assert (cpu["sockets"], cpu["cores"], cpu["logical_cpus"], cpu["usable_cpus"]) == (2, 8, 16, 16)
    assert {"avx2", "avx512_vnni", "amx_int8", "amx_bf16", "avx512_bf16"} <= set(cpu["isa"])
    assert "fpu" not in cpu["isa"]
    assert (cpu["smt"], cpu["turbo"], cpu["governor"], cpu["max_mhz"]) == (True, True, "powersave", 3800.0)
    assert (cpu["numa_nodes"], cpu["cgroup_cpus"]) == (2, None)
    assert cpu["caches"] == {"L1d": "48K", "L3": "107520K"}
    assert host["memory"]["total_bytes"] == host["memory"]["usable_bytes"] == 131_900_000 * 1024
    assert host["memory"]["huge_pages"] == "madvise"
    assert host["system"]["virtualisation"] == "none"
    assert host["system"]["container"] is None
    assert host["system"]["kernel"] == "6.8.0-45-generic"
    assert host["system"]["os"] == "Ubuntu 24.04.1 LTS"
    assert host["gpu"] == {
        "driver": "", "cuda_driver": None, "devices": [],
        "problem": "NVML cannot be used: NVML Shared Library Not Found",
    }  # fmt: skip
    assert host["threads"] == {"OMP_NUM_THREADS": "4"}


def test_a_container_has_what_its_control_group_allows(tmp_path: Path) -> None:
    host = recorded(tmp_path, EPYC_CONTAINER)
    assert (host["cpu"]["cgroup_cpus"], host["cpu"]["usable_cpus"], host["cpu"]["logical_cpus"]) == (2.5, 2.5, 16)
    assert host["memory"]["cgroup_bytes"] == host["memory"]["usable_bytes"] == 8 << 30
    assert (host["system"]["virtualisation"], host["system"]["container"]) == ("kvm", "podman")
    assert host_class(host).startswith("epyc-9b14-2.5cpu-8gib-")


def test_limits_of_control_groups_of_version_1(tmp_path: Path) -> None:
    host = recorded(tmp_path, EPYC_CONTAINER, OLD_CGROUPS)
    (tmp_path / "sys/fs/cgroup/cgroup.controllers").unlink()
    host = recorded(tmp_path)
    assert host["cpu"]["cgroup_cpus"] == 1.5
    assert host["memory"]["cgroup_bytes"] == 4 << 30


def test_the_narrowest_of_nested_control_groups_counts(tmp_path: Path) -> None:
    inner = {
        "proc/self/cgroup": "0::/system.slice/agent.service\n",
        "sys/fs/cgroup/system.slice/cpu.max": "200000 100000\n",
        "sys/fs/cgroup/system.slice/agent.service/cpu.max": "max 100000\n",
        "sys/fs/cgroup/system.slice/agent.service/memory.max": "1073741824\n",
    }
    host = recorded(tmp_path, EPYC_CONTAINER, inner)
    assert host["cpu"]["cgroup_cpus"] == 2.0
    assert host["memory"]["cgroup_bytes"] == 1 << 30


def test_an_arm_server_is_named_by_its_part(tmp_path: Path) -> None:
    host = recorded(tmp_path, GRAVITON)
    assert host["cpu"]["architecture"] == "aarch64"
    assert host["cpu"]["model"] == "Neoverse-V1"
    assert host["cpu"]["cores"] == 4
    assert host["cpu"]["isa"] == ["asimd", "asimddp", "asimdhp", "bf16", "i8mm", "sve"]
    assert host["system"]["virtualisation"] == "kvm"
    assert host["system"]["machine"] == "Amazon EC2 c7g.xlarge"
    assert host_class(host).startswith("neoverse-v1-4cpu-8gib-")


def test_an_unknown_arm_part_keeps_its_numbers(tmp_path: Path) -> None:
    strange = {"proc/cpuinfo": GRAVITON["proc/cpuinfo"].replace("0xd40", "0xfff")}
    assert recorded(tmp_path, GRAVITON, strange)["cpu"]["model"] == "ARM-0x41-0xfff"


def test_a_clouds_bare_machine_is_no_guest(tmp_path: Path) -> None:
    metal = {"sys/class/dmi/id/product_name": "c7g.metal\n"}
    assert recorded(tmp_path, GRAVITON, metal)["system"]["virtualisation"] == "none"


def test_a_gpu_host(tmp_path: Path) -> None:
    host = recorded(tmp_path, BARE_XEON, NVIDIA_DRIVER, load=replayed_nvml())
    assert host["gpu"] == {
        "driver": "570.133.20",
        "cuda_driver": 12080,
        "problem": "",
        "devices": [
            {
                "name": "NVIDIA H100 80GB HBM3", "memory_bytes": 85520809984, "compute_capability": "9.0",
                "max_sm_mhz": 1980, "max_memory_mhz": 2619, "power_limit_w": None, "mig": False,
            }
        ],
    }  # fmt: skip
    assert host_class(host).startswith("xeon-8481c-16cpu-126gib-1xh100-80gb-hbm3-")


def test_a_gpu_host_without_nvml_is_known_by_its_driver(tmp_path: Path) -> None:
    gpu = recorded(tmp_path, BARE_XEON, NVIDIA_DRIVER)["gpu"]
    assert gpu["driver"] == "570.133.20"
    assert [device["name"] for device in gpu["devices"]] == ["NVIDIA H100 80GB HBM3"]
    assert "Shared Library" in gpu["problem"]


def test_a_host_that_shows_nothing_has_a_class_too(tmp_path: Path) -> None:
    host = recorded(tmp_path)
    assert host["cpu"]["isa"] == []
    assert host["memory"]["usable_bytes"] is None
    assert re.fullmatch(r"[a-z0-9_.+-]+-[0-9a-f]{6}", host_class(host))
    assert host_class({})


@pytest.mark.parametrize("tree", [BARE_XEON, EPYC_CONTAINER, GRAVITON], ids=["xeon", "epyc", "graviton"])
def test_a_class_is_stable_and_survives_json(tmp_path: Path, tree: Tree) -> None:
    host = recorded(tmp_path, tree)
    again = json.loads(json.dumps(recorded(tmp_path, tree)))
    assert host_class(again) == host_class(host)
    assert re.fullmatch(r"[A-Za-z0-9._+-]{1,100}", host_class(host))


UNIMPORTANT = {
    "proc/version": "Linux version 6.11.0-1-generic (other) #1 SMP\n",
    "proc/self/status": status("0-15", pid=77),
    "proc/meminfo": "MemTotal:       131899000 kB\nMemFree:        5 kB\nSwapTotal:       0 kB\n",
    "proc/cpuinfo": BARE_XEON["proc/cpuinfo"].replace("0x2b000571", "0x2b000620"),
}


@pytest.mark.parametrize("path", UNIMPORTANT)
def test_what_changes_without_the_hardware_leaves_the_class(tmp_path: Path, path: str) -> None:
    before = host_class(recorded(tmp_path, BARE_XEON))
    changed = recorded(tmp_path, {path: UNIMPORTANT[path]}, environment={"OMP_NUM_THREADS": "1"})
    assert host_class(changed) == before


IMPORTANT = {
    "model": {"proc/cpuinfo": BARE_XEON["proc/cpuinfo"].replace("8481C", "8480C")},
    "isa": {"proc/cpuinfo": BARE_XEON["proc/cpuinfo"].replace(" amx_int8", "")},
    "affinity": {"proc/self/status": status("0-7")},
    "smt": {"sys/devices/system/cpu/smt/active": "0\n"},
    "turbo": {"sys/devices/system/cpu/intel_pstate/no_turbo": "1\n"},
    "governor": {"sys/devices/system/cpu/cpu3/cpufreq/scaling_governor": "performance\n"},
    "memory": {"proc/meminfo": "MemTotal:       65900000 kB\n"},
    "virtualisation": {"sys/class/dmi/id/product_name": "Standard PC (QEMU)\n"},
}


@pytest.mark.parametrize("what", IMPORTANT)
def test_what_decides_speed_changes_the_class(tmp_path: Path, what: str) -> None:
    before = host_class(recorded(tmp_path, BARE_XEON))
    assert host_class(recorded(tmp_path, IMPORTANT[what])) != before


def test_gpus_change_the_class_by_name_count_and_mig(tmp_path: Path) -> None:
    loads = [
        no_nvml, replayed_nvml(), replayed_nvml(mig=1), replayed_nvml(names=("NVIDIA H100 80GB HBM3",) * 2),
        replayed_nvml(names=("NVIDIA A100-SXM4-40GB",)),
    ]  # fmt: skip
    classes = [host_class(recorded(tmp_path, BARE_XEON, load=load)) for load in loads]
    assert len(set(classes)) == len(loads)
    assert "-2xh100-80gb-hbm3-" in classes[3]
    as_text = replayed_nvml(names=("NVIDIA H100 80GB HBM3",))
    assert host_class(recorded(tmp_path, load=as_text)) == classes[1]


@pytest.mark.parametrize(
    ("model", "slug"),
    [
        ("AMD Ryzen 9 5950X 16-Core Processor", "ryzen-9-5950x-"),
        ("11th Gen Intel(R) Core(TM) i7-1185G7 @ 3.00GHz", "11th-gen-core-i7-1185g7-"),
        ("Intel(R) Xeon(R) Processor", "xeon-6-143-"),
        ("AMD EPYC 7B13", "epyc-7b13-"),
    ],
)
def test_names_of_processors_are_made_readable(tmp_path: Path, model: str, slug: str) -> None:
    other = {"proc/cpuinfo": BARE_XEON["proc/cpuinfo"].replace("Intel(R) Xeon(R) Platinum 8481C CPU @ 2.70GHz", model)}
    assert host_class(recorded(tmp_path, BARE_XEON, other)).startswith(slug)


def test_a_missing_nvml_package_is_named_with_its_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "pynvml", None)
    with pytest.raises(NvmlError, match=r"pip install 'msearch\[agent\]'"):
        load_nvml()


def test_this_host() -> None:
    host = fingerprint()
    assert json.loads(json.dumps(host)) == host
    assert host["cpu"]["usable_cpus"] <= len(os.sched_getaffinity(0))
    assert host["cpu"]["architecture"] == platform.machine()
    assert host["memory"]["usable_bytes"] > 0
    assert host["libraries"]["numpy"]
    assert host_class(host) == host_class(fingerprint())
    told = json.dumps(host)
    for private in (platform.node(), os.environ.get("HOME", "")):
        assert len(private) < 4 or private not in told

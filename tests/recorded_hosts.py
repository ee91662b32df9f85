"""The files of /proc and /sys of several kinds of machine, cut down to what is read; and an NVML that replays."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

Tree = Mapping[str, str]


def write_tree(root: Path, *trees: Tree) -> Path:
    """Writes files below a root; later trees replace files of earlier ones."""
    for tree in trees:
        for path, content in tree.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(content)
    return root


def x86_cpuinfo(model: str, numbers: tuple[int, int], flags: str, *, sockets: int, cores: int, threads: int) -> str:
    blocks = []
    for socket in range(sockets):
        for core in range(cores):
            blocks += [
                f"processor\t: {socket * cores * threads + core * threads + thread}\nvendor_id\t: GenuineIntel\n"
                f"cpu family\t: {numbers[0]}\nmodel\t\t: {numbers[1]}\nmodel name\t: {model}\nstepping\t: 8\n"
                f"microcode\t: 0x2b000571\nphysical id\t: {socket}\nsiblings\t: {cores * threads}\n"
                f"core id\t\t: {core}\n"
                f"cpu cores\t: {cores}\nflags\t\t: {flags}\n"
                for thread in range(threads)
            ]
    return "\n".join(blocks)


def status(cpus: str, pid: int = 4242) -> str:
    return f"Name:\tpython\nPid:\t{pid}\nVmHWM:\t  200000 kB\nVmRSS:\t  150000 kB\nCpus_allowed_list:\t{cpus}\n"


SAPPHIRE_RAPIDS = (
    "fpu sse4_2 avx avx2 fma f16c avx512f avx512bw avx512vl avx_vnni avx512_vnni avx512_bf16 avx512_fp16 amx_tile "
    "amx_int8 amx_bf16"
)

BARE_XEON: Tree = {
    "proc/cpuinfo": x86_cpuinfo(
        "Intel(R) Xeon(R) Platinum 8481C CPU @ 2.70GHz", (6, 143), SAPPHIRE_RAPIDS, sockets=2, cores=4, threads=2
    ),
    "proc/self/status": status("0-15"),
    "proc/self/cgroup": "0::/user.slice/session-1.scope\n",
    "proc/meminfo": "MemTotal:       131900000 kB\nMemFree:        1000 kB\nSwapTotal:       8388604 kB\n",
    "proc/version": "Linux version 6.8.0-45-generic (buildd@host) #45 SMP\n",
    "etc/os-release": 'NAME="Ubuntu"\nPRETTY_NAME="Ubuntu 24.04.1 LTS"\n',
    "sys/class/dmi/id/sys_vendor": "Dell Inc.\n",
    "sys/class/dmi/id/product_name": "PowerEdge R760\n",
    "sys/devices/system/cpu/smt/active": "1\n",
    "sys/devices/system/cpu/intel_pstate/no_turbo": "0\n",
    **{f"sys/devices/system/cpu/cpu{cpu}/cpufreq/scaling_governor": "powersave\n" for cpu in range(16)},
    "sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq": "3800000\n",
    "sys/devices/system/cpu/cpu0/cache/index0/level": "1\n",
    "sys/devices/system/cpu/cpu0/cache/index0/type": "Data\n",
    "sys/devices/system/cpu/cpu0/cache/index0/size": "48K\n",
    "sys/devices/system/cpu/cpu0/cache/index3/level": "3\n",
    "sys/devices/system/cpu/cpu0/cache/index3/type": "Unified\n",
    "sys/devices/system/cpu/cpu0/cache/index3/size": "107520K\n",
    "sys/devices/system/node/node0/cpulist": "0-7\n",
    "sys/devices/system/node/node1/cpulist": "8-15\n",
    "sys/kernel/mm/transparent_hugepage/enabled": "always [madvise] never\n",
    "sys/fs/cgroup/cgroup.controllers": "cpu memory\n",
}

EPYC_CONTAINER: Tree = {
    "proc/cpuinfo": x86_cpuinfo(
        "AMD EPYC 9B14", (25, 17), "hypervisor sse4_2 avx avx2 fma f16c avx512f avx512_vnni avx512_bf16", sockets=1,
        cores=8, threads=2,
    ),
    "proc/self/status": status("0-15"),
    "proc/self/cgroup": "0::/\n",
    "proc/meminfo": "MemTotal:       65843088 kB\nSwapTotal:       0 kB\n",
    "proc/version": "Linux version 6.1.100+ (builder) #1 SMP\n",
    "sys/class/dmi/id/sys_vendor": "Google\n",
    "sys/class/dmi/id/product_name": "Google Compute Engine\n",
    "sys/devices/system/cpu/smt/active": "1\n",
    "sys/fs/cgroup/cgroup.controllers": "cpu memory\n",
    "sys/fs/cgroup/cpu.max": "250000 100000\n",
    "sys/fs/cgroup/memory.max": "8589934592\n",
    "run/.containerenv": "",
}  # fmt: skip

GRAVITON: Tree = {
    "proc/cpuinfo": "\n\n".join(
        f"processor\t: {cpu}\nBogoMIPS\t: 2100.00\nFeatures\t: fp asimd fphp asimdhp asimddp sve i8mm bf16\n"
        "CPU implementer\t: 0x41\nCPU architecture: 8\nCPU variant\t: 0x1\nCPU part\t: 0xd40\nCPU revision\t: 1"
        for cpu in range(4)
    ),
    "proc/self/status": status("0-3"),
    "proc/self/cgroup": "0::/system.slice/agent.service\n",
    "proc/meminfo": "MemTotal:       7935460 kB\nSwapTotal:       0 kB\n",
    "proc/version": "Linux version 6.1.102-108.177.amzn2023.aarch64 (mockbuild) #1 SMP\n",
    "sys/class/dmi/id/sys_vendor": "Amazon EC2\n",
    "sys/class/dmi/id/product_name": "c7g.xlarge\n",
    **{f"sys/devices/system/cpu/cpu{cpu}/topology/physical_package_id": "0\n" for cpu in range(4)},
    **{f"sys/devices/system/cpu/cpu{cpu}/topology/core_id": f"{cpu}\n" for cpu in range(4)},
    "sys/fs/cgroup/cgroup.controllers": "cpu memory\n",
}

OLD_CGROUPS: Tree = {
    "proc/self/cgroup": "4:memory:/docker/abc\n3:cpu,cpuacct:/docker/abc\n0::/\n",
    "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "150000\n",
    "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
    "sys/fs/cgroup/memory/memory.limit_in_bytes": "4294967296\n",
}

NVIDIA_DRIVER: Tree = {
    "proc/driver/nvidia/version": (
        "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  570.133.20  Release Build  (root@host)\n"
        "GCC version:  gcc version 13.3.0\n"
    ),
    "proc/driver/nvidia/gpus/0000:04:00.0/information": "Model: \t\t NVIDIA H100 80GB HBM3\nIRQ:   \t\t 120\n",
}


class ReplayedNvmlError(Exception):
    """What the replayed NVML raises for what a board does not support."""


def replayed_nvml(*, names: tuple[str | bytes, ...] = (b"NVIDIA H100 80GB HBM3",), mig: int = 0) -> Callable[[], Any]:
    """An NVML of that many H100 boards; names as bytes, as older bindings give them."""

    def unsupported(*_: object) -> Any:
        raise ReplayedNvmlError("Not Supported")

    module = SimpleNamespace(
        NVMLError=ReplayedNvmlError,
        NVML_CLOCK_SM=1,
        NVML_CLOCK_MEM=2,
        nvmlDeviceGetCount=lambda: len(names),
        nvmlSystemGetDriverVersion=lambda: b"570.133.20",
        nvmlSystemGetCudaDriverVersion=lambda: 12080,
        nvmlDeviceGetHandleByIndex=lambda index: index,
        nvmlDeviceGetName=lambda handle: names[handle],
        nvmlDeviceGetMemoryInfo=lambda _: SimpleNamespace(total=85520809984, used=0),
        nvmlDeviceGetCudaComputeCapability=lambda _: (9, 0),
        nvmlDeviceGetMigMode=lambda _: (mig, mig),
        nvmlDeviceGetMaxClockInfo=lambda _, kind: {1: 1980, 2: 2619}[kind],
        nvmlDeviceGetEnforcedPowerLimit=unsupported,
    )
    return lambda: module

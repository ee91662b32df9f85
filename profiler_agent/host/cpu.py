"""What /proc/cpuinfo and /sys say of the processor."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from profiler_agent.host import _files, cgroups

# By the names of Linux: what kernels for neural networks choose their code by.
RELEVANT_X86 = (
    "sse4_2", "avx", "avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512vl", "avx_vnni", "avx512_vnni", "avx512_bf16",
    "avx512_fp16", "amx_tile", "amx_int8", "amx_bf16", "amx_fp16",
)  # fmt: skip
RELEVANT_ARM = ("asimd", "asimdhp", "asimddp", "i8mm", "bf16", "sve", "sve2", "sme", "sme2")
RELEVANT_FLAGS = frozenset((*RELEVANT_X86, *RELEVANT_ARM))

# Implementer and part of arm64 processors, which give no name (Arm's MIDR_EL1; Linux arch/arm64/include/asm/cputype.h).
_ARM_PARTS = {
    (0x41, 0xD03): "Cortex-A53", (0x41, 0xD08): "Cortex-A72", (0x41, 0xD0B): "Cortex-A76", (0x41, 0xD0C): "Neoverse-N1",
    (0x41, 0xD40): "Neoverse-V1", (0x41, 0xD49): "Neoverse-N2", (0x41, 0xD4F): "Neoverse-V2",
    (0x41, 0xD83): "Neoverse-V3AE", (0x41, 0xD84): "Neoverse-V3", (0x41, 0xD8E): "Neoverse-N3",
    (0x46, 0x001): "A64FX", (0xC0, 0xAC3): "Ampere-1", (0xC0, 0xAC4): "Ampere-1A",
}  # fmt: skip
_CPU = "sys/devices/system/cpu"


def read_cpu(root: Path) -> dict[str, Any]:
    """Model, instruction sets, counts, limits, clock policy and caches, as JSON values; null is unknown."""
    processors = [_files.fields(block) for block in _files.text(root, "proc/cpuinfo").split("\n\n") if block.strip()]
    first = processors[0] if processors else {}
    flags = sorted(set((first.get("flags") or first.get("Features") or "").split()))
    allowed = _files.cpu_list(_files.fields(_files.text(root, "proc/self/status")).get("Cpus_allowed_list", ""))
    limit = cgroups.cpu_limit(root)
    logical = len(processors) or len(allowed)
    usable = len(allowed) or logical
    return {
        "architecture": _architecture(first),
        "model": _model(first),
        "vendor": first.get("vendor_id") or first.get("CPU implementer") or "",
        "family": first.get("cpu family", ""),
        "model_number": first.get("model") or first.get("CPU part") or "",
        "stepping": first.get("stepping") or first.get("CPU revision") or "",
        "microcode": first.get("microcode", ""),
        "flags_digest": hashlib.sha256(" ".join(flags).encode()).hexdigest()[:16],
        "isa": [flag for flag in flags if flag in RELEVANT_FLAGS],
        "logical_cpus": logical,
        "cores": _cores(root, processors),
        "sockets": _sockets(processors),
        "allowed_cpus": len(allowed) or None,
        "cgroup_cpus": limit,
        "usable_cpus": usable if limit is None else min(usable, round(limit, 2)),
        "smt": _smt(root, first),
        "numa_nodes": len(list((root / "sys/devices/system/node").glob("node[0-9]*"))) or None,
        "governor": _governor(root, allowed),
        "turbo": _turbo(root),
        "max_mhz": _max_mhz(root),
        "caches": _caches(root),
        "hypervisor_flag": "hypervisor" in flags,
    }


def _architecture(first: dict[str, str]) -> str:
    if "CPU implementer" in first:
        return "aarch64"
    return "x86_64" if "flags" in first else platform.machine()


def _model(first: dict[str, str]) -> str:
    name = first.get("model name") or first.get("Model") or first.get("cpu") or ""
    if name or "CPU implementer" not in first:
        return " ".join(name.split())
    try:
        key = int(first["CPU implementer"], 16), int(first.get("CPU part", ""), 16)
    except ValueError:
        return ""
    return _ARM_PARTS.get(key, f"ARM-{key[0]:#x}-{key[1]:#x}")


def _cores(root: Path, processors: Sequence[dict[str, str]]) -> int | None:
    """Physical cores, of all sockets."""
    listed = {(one.get("physical id", ""), one["core id"]) for one in processors if "core id" in one}
    if not listed:  # arm64 lists none
        for folder in (root / _CPU).glob("cpu[0-9]*/topology"):
            package, core = _files.text(folder, "physical_package_id"), _files.text(folder, "core_id")
            listed |= {(package, core)} if core else set()
    return len(listed) or None


def _sockets(processors: Sequence[dict[str, str]]) -> int | None:
    return len({one["physical id"] for one in processors if "physical id" in one}) or None


def _smt(root: Path, first: dict[str, str]) -> bool | None:
    active = _files.text(root, f"{_CPU}/smt/active")
    if active in ("0", "1"):
        return active == "1"
    siblings, cores = first.get("siblings", ""), first.get("cpu cores", "")
    return int(siblings) > int(cores) if siblings.isdecimal() and cores.isdecimal() else None


def _governor(root: Path, allowed: Sequence[int]) -> str | None:
    found = {_files.text(root, f"{_CPU}/cpu{cpu}/cpufreq/scaling_governor") for cpu in allowed} - {""}
    return "+".join(sorted(found)) or None


def _turbo(root: Path) -> bool | None:
    off = _files.text(root, f"{_CPU}/intel_pstate/no_turbo")
    if off in ("0", "1"):
        return off == "0"
    boost = _files.text(root, f"{_CPU}/cpufreq/boost")
    return boost == "1" if boost in ("0", "1") else None


def _max_mhz(root: Path) -> float | None:
    khz = _files.number(root, f"{_CPU}/cpu0/cpufreq/cpuinfo_max_freq")
    return None if khz is None else khz / 1000


def _caches(root: Path) -> dict[str, str]:
    """Sizes by name ("L1d", "L2", "L3") as the kernel writes them, of CPU 0."""
    found = {}
    for folder in sorted((root / _CPU / "cpu0/cache").glob("index[0-9]*")):
        level, kind, size = (_files.text(folder, name) for name in ("level", "type", "size"))
        if level and size and kind in ("Data", "Unified", "Instruction"):
            found[f"L{level}{'' if kind == 'Unified' else kind[0].lower()}"] = size
    return found

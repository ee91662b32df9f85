"""Memory, kernel and virtualisation, from /proc and /sys."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from profiler_agent.host import _files, cgroups

_DMI = "sys/class/dmi/id"
_CONTAINERS = {"docker": "docker", "kubepods": "kubernetes", "libpod": "podman", "lxc": "lxc"}
_GUESTS = {
    "Amazon EC2": "kvm", "Google Compute Engine": "kvm", "QEMU": "kvm", "KVM": "kvm", "OpenStack": "kvm",
    "Virtual Machine": "hyper-v", "VMware": "vmware", "VirtualBox": "virtualbox", "HVM domU": "xen",
}  # fmt: skip
"""What vendor and product of the board say in guests."""


def read_memory(root: Path) -> dict[str, Any]:
    """Sizes in bytes; null is unknown or unlimited."""
    table = _files.fields(_files.text(root, "proc/meminfo"))
    limit = cgroups.memory_limit(root)
    total = _bytes(table.get("MemTotal", ""))
    known = [size for size in (total, limit) if size is not None]
    return {
        "total_bytes": total,
        "cgroup_bytes": limit,
        "usable_bytes": min(known, default=None),
        "swap_bytes": _bytes(table.get("SwapTotal", "")),
        "huge_pages": _chosen(_files.text(root, "sys/kernel/mm/transparent_hugepage/enabled")),
    }


def read_system(root: Path, *, hypervisor_flag: bool) -> dict[str, Any]:
    """Kernel, operating system, and what lies below: "none" is bare metal as far as can be seen."""
    release = dict(
        line.split("=", 1) for line in _files.text(root, "etc/os-release").splitlines() if line.count("=") == 1
    )
    return {
        "kernel": _kernel(root),
        "os": release.get("PRETTY_NAME", "").strip('"'),
        "virtualisation": _virtualisation(root, hypervisor_flag=hypervisor_flag),
        "container": _container(root),
        "machine": " ".join(
            filter(None, (_files.text(root, f"{_DMI}/{name}") for name in ("sys_vendor", "product_name")))
        ),
    }


def _bytes(value: str) -> int | None:
    number, _, unit = value.partition(" ")
    return int(number) * 1024 if number.isdecimal() and unit == "kB" else None


def _chosen(value: str) -> str | None:
    """The word in brackets."""
    found = re.search(r"\[(\w+)\]", value)
    return found.group(1) if found else None


def _kernel(root: Path) -> str:
    found = re.match(r"Linux version (\S+)", _files.text(root, "proc/version"))
    return found.group(1) if found else ""


def _virtualisation(root: Path, *, hypervisor_flag: bool) -> str:
    kind = _files.text(root, "sys/hypervisor/type")
    if kind:
        return kind
    vendor, product = (_files.text(root, f"{_DMI}/{name}") for name in ("sys_vendor", "product_name"))
    if "metal" not in product:  # the bare machines of a cloud carry its name too
        for word, name in _GUESTS.items():
            if word in f"{vendor} {product}":
                return name
    return "guest" if hypervisor_flag or (root / "proc/device-tree/hypervisor").exists() else "none"


def _container(root: Path) -> str | None:
    if (root / ".dockerenv").exists():
        return "docker"
    if (root / "run/.containerenv").exists():
        return "podman"
    groups = _files.text(root, "proc/self/cgroup")
    return next((name for word, name in _CONTAINERS.items() if word in groups), None)

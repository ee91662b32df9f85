"""The class of a host: equal for hosts whose measurements compare.

    <cpu>-<usable CPUs>cpu-<memory>gib[-<count>x<gpu>]-<digest>      e.g. xeon-8481c-2cpu-23gib-9f3ac2

The digest is over what decides speed: architecture, model and model number, relevant instruction sets, usable CPUs
(affinity and cgroup quota), SMT, sockets and NUMA nodes, governor, turbo, virtualisation, memory in whole GiB; of each
GPU name, memory, MIG and power limit. Left out, since they change without the hardware: kernel, microcode, driver,
library versions (a profile carries those itself), thread settings (part of the variant), the present clock.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

_DIGEST_LENGTH = 6
_LONGEST_PART = 40
_NOT_TELLING = frozenset((
    "intel", "amd", "cpu", "processor", "platinum", "gold", "silver", "bronze", "with", "radeon", "graphics", "genuine",
    "nvidia", "geforce", "tesla",
))  # fmt: skip


def host_class(fingerprint: Mapping[str, Any]) -> str:
    """The class of the host with that fingerprint; what the fingerprint lacks counts as unknown."""
    facts = _what_matters(fingerprint)
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
    cpus, memory = facts["cpu"]["usable_cpus"], facts["memory_gib"]
    parts = [_cpu_name(facts["cpu"])]
    parts += [f"{cpus:g}cpu"] if cpus is not None else []
    parts += [f"{memory}gib"] if memory is not None else []
    names = [gpu["name"] for gpu in facts["gpus"]]
    parts += [f"{names.count(name)}x{_slug(name) or 'gpu'}" for name in dict.fromkeys(names)]
    return "-".join([*parts, digest[:_DIGEST_LENGTH]])


def _what_matters(fingerprint: Mapping[str, Any]) -> dict[str, Any]:
    cpu, system = fingerprint.get("cpu", {}), fingerprint.get("system", {})
    memory = fingerprint.get("memory", {}).get("usable_bytes")
    gpus = fingerprint.get("gpu", {}).get("devices", ())
    kept = (
        "architecture", "model", "family", "model_number", "isa", "usable_cpus", "smt", "sockets", "numa_nodes",
        "governor", "turbo",
    )  # fmt: skip
    return {
        "cpu": {name: cpu.get(name) for name in kept},
        "memory_gib": None if memory is None else round(memory / 2**30),
        "virtualisation": system.get("virtualisation"),
        "gpus": [
            {name: gpu.get(name) for name in ("name", "memory_bytes", "mig", "power_limit_w")}
            for gpu in sorted(gpus, key=lambda gpu: str(gpu.get("name")))
        ],
    }


def _cpu_name(cpu: Mapping[str, Any]) -> str:
    slug = _slug(cpu["model"] or "")
    if any(character.isdecimal() for character in slug):
        return slug
    # A guest often sees no more than "Xeon"; the numbers tell the generation.
    numbers = "-".join(str(cpu[name]) for name in ("family", "model_number") if cpu[name])
    return "-".join(filter(None, (slug or cpu["architecture"], _slug(numbers)))) or "host"


def _slug(name: str) -> str:
    """Lower case, the telling words only."""
    plain = re.sub(r"\((r|tm|c)\)|@.*|\b\d+-core\b", " ", name.lower())
    words = [word for word in re.split(r"[^a-z0-9.+]+", plain) if word and word not in _NOT_TELLING]
    return "-".join(words)[:_LONGEST_PART].strip("-.+")

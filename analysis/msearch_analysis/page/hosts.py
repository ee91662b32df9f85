"""What the hosts are: their fingerprints in words, and the library versions of the runs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from msearch_analysis.amounts import format_bytes, format_number
from msearch_analysis.rows import Row, Study


@dataclass(frozen=True, slots=True)
class HostFacts:
    """A host class with the fingerprint of its newest profile: in words, and whole as JSON."""

    name: str
    profiles: int
    facts: tuple[tuple[str, str], ...]
    fingerprint: str


def facts_of_hosts(study: Study) -> tuple[HostFacts, ...]:
    """One entry a host class, in their order by name."""
    found: dict[str, list[Row]] = {}
    for row in study.rows:
        found.setdefault(row.host_class, []).append(row)
    return tuple(
        HostFacts(name, len(rows), tuple(_facts(_newest(rows))), _json(_newest(rows)))
        for name, rows in sorted(found.items())
    )


def library_versions(study: Study) -> tuple[tuple[str, str], ...]:
    """Every library that a run was made with, and its versions."""
    found: dict[str, set[str]] = {}
    for row in study.rows:
        for name, version in row.versions.items():
            found.setdefault(name, set()).add(version)
    return tuple((name, ", ".join(sorted(versions))) for name, versions in sorted(found.items()))


def _newest(rows: list[Row]) -> Mapping[str, Any]:
    known = [row for row in rows if row.host]
    if not known:
        return {}
    return max(known, key=lambda row: (row.measured_at is not None and row.measured_at.timestamp(), row.id)).host


def _json(host: Mapping[str, Any]) -> str:
    return json.dumps(host, indent=1, sort_keys=True, ensure_ascii=False) if host else ""


def _facts(host: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """A fingerprint is JSON of another program: whatever is not as expected is left out."""
    cpu, memory, system = (_mapping(host.get(name)) for name in ("cpu", "memory", "system"))
    if cpu.get("model"):
        yield "CPU", str(cpu["model"])
    if cpu.get("usable_cpus"):
        yield "usable CPUs", str(cpu["usable_cpus"])
    for name, title in (("isa", "instruction sets"), ("governor", "governor"), ("turbo", "turbo"), ("smt", "SMT")):
        if cpu.get(name) not in (None, "", []):
            yield title, _text(cpu[name])
    size = memory.get("usable_bytes")
    if isinstance(size, (int, float)):
        yield "memory", format_bytes(int(size))
    for gpu in _list(_mapping(host.get("gpu")).get("devices")):
        yield "GPU", str(_mapping(gpu).get("name") or "unnamed")
    for one in _list(host.get("peaks")):
        peak = _mapping(one)
        speed, width = peak.get("gflop_per_s"), peak.get("gb_per_s")
        if isinstance(speed, (int, float)) and isinstance(width, (int, float)):
            text = f"{format_number(speed)} GFLOP/s, {format_number(width)} GB/s"
            yield f"measured peaks, {peak.get('threads')} thread{'s' if peak.get('threads') != 1 else ''}", text
    for name in ("kernel", "virtualisation", "container"):
        if system.get(name):
            yield name, _text(system[name])
    if host.get("python"):
        yield "Python", str(host["python"])
    threads = _mapping(host.get("threads"))
    if threads:
        yield "thread settings", ", ".join(f"{name}={value}" for name, value in sorted(threads.items()))


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)

"""Reads the kernel's counters from /proc and /sys below a root folder, which tests replace by a recorded one."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path("/")
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


class Unreadable(Exception):
    """A counter cannot be read; the message names the file and says why."""


def read(root: Path, path: str) -> str:
    """The text of a file below the root. Raises Unreadable."""
    try:
        return (root / path).read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise Unreadable(f"cannot read /{path}: {error.strerror or error}") from None


def read_number(root: Path, path: str) -> int:
    """The whole number that a file consists of. Raises Unreadable."""
    text = read(root, path).strip()
    try:
        return int(text)
    except ValueError:
        raise Unreadable(f"/{path} holds {text[:40]!r}, not a number") from None


def read_table(root: Path, path: str) -> dict[str, int]:
    """Lines of a name and a number, as in cpu.stat and vmstat. Raises Unreadable."""
    table = {}
    for line in read(root, path).splitlines():
        name, _, value = line.partition(" ")
        if value.strip().isdecimal():
            table[name] = int(value)
    return table


def cpu_seconds(root: Path, pid: int) -> float:
    """CPU seconds that a process has taken, with those of its children that it has waited for. Raises Unreadable."""
    path = f"proc/{pid}/stat"
    # The command's name, in parentheses, may hold blanks and parentheses itself.
    fields = read(root, path).rpartition(")")[2].split()
    times = fields[11:15]
    if len(times) < 4 or not all(field.lstrip("-").isdecimal() for field in times):
        raise Unreadable(f"/{path} has an unknown form")
    return sum(int(field) for field in times) / TICKS_PER_SECOND


def status_value(root: Path, pid: int, name: str) -> str:
    """A line of /proc/PID/status. Raises Unreadable."""
    for line in read(root, f"proc/{pid}/status").splitlines():
        key, _, value = line.partition(":")
        if key == name:
            return value.strip()
    raise Unreadable(f"/proc/{pid}/status has no {name}")


def status_bytes(root: Path, pid: int, name: str) -> int:
    """A size from /proc/PID/status, in bytes. Raises Unreadable."""
    value = status_value(root, pid, name)
    number, _, unit = value.partition(" ")
    if not number.isdecimal() or unit != "kB":
        raise Unreadable(f"/proc/{pid}/status says {name}: {value!r}, not a number of kB")
    return int(number) * 1024


def allowed_cpus(root: Path, pid: int) -> frozenset[int]:
    """CPUs that the process may run on. Raises Unreadable."""
    return parse_cpus(status_value(root, pid, "Cpus_allowed_list"))


def parse_cpus(text: str) -> frozenset[int]:
    """The numbers of a list such as "0-3,8"."""
    cpus: set[int] = set()
    for part in text.split(","):
        low, _, high = part.strip().partition("-")
        if low.isdecimal():
            cpus.update(range(int(low), int(high or low) + 1))
    return frozenset(cpus)


def busy_seconds(root: Path, cpus: frozenset[int]) -> float:
    """Seconds that these CPUs together have not idled: user, nice, system, interrupts, stolen by other guests.

    Raises:
        Unreadable: there's no /proc/stat, or it knows none of them.
    """
    ticks, seen = 0, 0
    for line in read(root, "proc/stat").splitlines():
        name, *fields = line.split()
        if name.startswith("cpu") and name[3:].isdecimal() and int(name[3:]) in cpus:
            user, nice, system, _idle, _waiting, interrupts, soft_interrupts, *stolen = (int(field) for field in fields)
            ticks += user + nice + system + interrupts + soft_interrupts + sum(stolen[:1])
            seen += 1
    if not seen:
        raise Unreadable("/proc/stat lists none of the process's CPUs")
    return ticks / TICKS_PER_SECOND

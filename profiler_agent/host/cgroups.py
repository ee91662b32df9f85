"""Where a process's control groups are, and what they limit: versions 1 and 2, nested, in a container or not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

_UNLIMITED = 1 << 60
"""Version 1 says "no limit" with a number near 2^63, rounded to pages."""


def folders(root: Path, pid: int | str, controller: str) -> Iterator[Path]:
    """The group of a process for a controller ("cpu", "memory"), then those around it; existing folders only.

    In a container the path that the kernel names is often not there, and the group is mounted at the top instead.
    """
    seen: set[Path] = set()
    for mount, inner in _places(root, pid, controller):
        parts = [part for part in inner.split("/") if part not in ("", "..")]
        for depth in range(len(parts), -1, -1):
            folder = mount.joinpath(*parts[:depth])
            if folder not in seen and folder.is_dir():
                seen.add(folder)
                yield folder


def _places(root: Path, pid: int | str, controller: str) -> Iterator[tuple[Path, str]]:
    mount = root / "sys/fs/cgroup"
    try:
        lines = (root / f"proc/{pid}/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        hierarchy, controllers, inner = [*line.split(":", 2), "", ""][:3]
        if controller in controllers.split(","):
            yield mount / controllers, inner
            yield mount / controller, inner
        elif hierarchy == "0" and not controllers and (mount / "cgroup.controllers").is_file():
            yield mount, inner


def cpu_limit(root: Path, pid: int | str = "self") -> float | None:
    """CPUs' worth of time that the process may take; None if nothing limits it."""
    limits = []
    for folder in folders(root, pid, "cpu"):
        quota, period = (
            _words(folder / "cpu.max", 2)
            or (
                *_words(folder / "cpu.cfs_quota_us", 1),
                *_words(folder / "cpu.cfs_period_us", 1),
            )
            or ("", "")
        )
        if quota.isdecimal() and period.isdecimal() and int(period):
            limits.append(int(quota) / int(period))
    return min(limits, default=None)


def memory_limit(root: Path, pid: int | str = "self") -> int | None:
    """Bytes that the process may take; None if nothing limits it."""
    limits = []
    for folder in folders(root, pid, "memory"):
        for name in ("memory.max", "memory.limit_in_bytes"):
            words = _words(folder / name, 1)
            limits += [int(word) for word in words if word.isdecimal() and int(word) < _UNLIMITED]
    return min(limits, default=None)


def _words(file: Path, count: int) -> tuple[str, ...]:
    """The words of a file; nothing if it can't be read or holds another number of them."""
    try:
        words = file.read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return ()
    return tuple(words) if len(words) == count else ()

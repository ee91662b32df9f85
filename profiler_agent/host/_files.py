"""Small files of /proc and /sys below a root folder; what isn't there reads as nothing."""

from __future__ import annotations

from pathlib import Path


def text(root: Path, path: str) -> str:
    """The stripped text of a file, empty if it can't be read."""
    try:
        return (root / path).read_bytes().decode("utf-8", "replace").strip("\0 \n\t")
    except OSError:
        return ""


def number(root: Path, path: str) -> int | None:
    """The whole number that a file consists of, None if it isn't one."""
    found = text(root, path)
    try:
        return int(found)
    except ValueError:
        return None


def fields(content: str) -> dict[str, str]:
    """Lines of "name: value"."""
    found = {}
    for line in content.splitlines():
        name, separator, value = line.partition(":")
        if separator:
            found[name.strip()] = value.strip()
    return found


def cpu_list(content: str) -> tuple[int, ...]:
    """The numbers of a list such as "0-3,8", ascending."""
    found: set[int] = set()
    for part in content.split(","):
        low, _, high = part.strip().partition("-")
        if low.isdecimal():
            found.update(range(int(low), int(high or low) + 1))
    return tuple(sorted(found))

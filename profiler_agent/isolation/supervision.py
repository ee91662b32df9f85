"""What the parent sees of a child from outside: how much memory and how many processes, in a few small reads."""

from __future__ import annotations

import resource
from dataclasses import dataclass
from pathlib import Path

PAGE_BYTES = resource.getpagesize()


@dataclass(frozen=True, slots=True)
class Usage:
    """Of a process and all below it. Pages of a file or of a parent are counted once."""

    memory_bytes: int
    processes: int


def usage_of(process: int, most_processes: int) -> Usage:
    """What `process` and its descendants take; counting ends beyond `most_processes`. Zero where there is no /proc."""
    found, waiting = [process], [process]
    while waiting and len(found) <= most_processes:
        below = _children(waiting.pop())
        found += below
        waiting += below
    memory = 0
    for index, one in enumerate(found):
        resident, shared = _pages(one)
        memory += (resident - (shared if index else 0)) * PAGE_BYTES
    return Usage(memory, len(found))


def _children(process: int) -> list[int]:
    children: list[int] = []
    try:
        for task in Path(f"/proc/{process}/task").iterdir():
            children += map(int, (task / "children").read_bytes().split())
    except OSError:
        pass  # it has just ended
    return children


def _pages(process: int) -> tuple[int, int]:
    try:
        _, resident, shared, *_ = Path(f"/proc/{process}/statm").read_bytes().split()
    except (OSError, ValueError):
        return 0, 0
    return int(resident), int(shared)

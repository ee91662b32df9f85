"""What a child process may take and touch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildLimits:
    """What a child process may take and touch.

    Args:
        workspace: folder under which the child gets a private folder: its working folder and the only place, beside
            `writable`, where it may write. The private folder is removed when the child has ended.
        deadline_s: seconds from the start of the process until it is killed.
        memory_bytes: resident memory of the child with all processes it starts.
        readable: files and folders it may read, beside the runtime itself (Python, system libraries, devices).
        writable: folders it may read and write, such as a cache; they must exist.
        network: whether it may open sockets; only a remote target needs that.
        threads: what OMP_NUM_THREADS and its kin say. 0 leaves them unset.
        processes: most processes at a time, itself included.
        file_bytes: largest file it may write.
    """

    workspace: Path
    deadline_s: float
    memory_bytes: int = 8 << 30
    readable: tuple[Path, ...] = ()
    writable: tuple[Path, ...] = ()
    network: bool = False
    threads: int = 1
    processes: int = 64
    file_bytes: int = 32 << 30

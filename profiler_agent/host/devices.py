"""What an agent measures on, by names that hold for all agents of a host, in containers too.

The service never lets two agents that share one of them measure at once. The host stands by a digest of the number that
its kernel drew at boot: all containers of a host see the same one, and it says nothing of who or where the host is.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Iterable
from pathlib import Path

from profiler_agent.host._files import text

_DIGEST_LENGTH = 12


def measured_devices(
    accelerators: Iterable[str], root: Path = Path("/"), *, cpus: Collection[int] | None = None
) -> tuple[str, ...]:
    """The CPUs that may be used and the accelerators, such as "cuda:0", behind the host; none where that is unknown.

    Agents pinned to different CPUs of a host so share none of them.
    """
    boot = text(root, "proc/sys/kernel/random/boot_id")
    if not boot:
        return ()
    host = hashlib.sha256(f"msearch {boot}".encode()).hexdigest()[:_DIGEST_LENGTH]
    usable = os.sched_getaffinity(0) if cpus is None else cpus
    names = [f"cpu{number}" for number in sorted(usable)] + sorted(set(accelerators))
    return tuple(f"{host}/{name}" for name in names)

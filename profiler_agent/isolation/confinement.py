"""Takes rights away from the calling process, before it meets a model. Runs in the child only.

Every measure stands alone: what the host does not offer is left out and said, never claimed.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from profiler_agent.isolation import landlock, seccomp
from profiler_agent.isolation.system_calls import (
    PR_SET_CHILD_SUBREAPER,
    PR_SET_PDEATHSIG,
    Unsupported,
    drop_capabilities,
    prctl,
    prohibit_new_privileges,
)

# Memory that is mapped but never touched (stacks of threads, arenas) counts in RLIMIT_DATA and not in what is resident.
UNTOUCHED_BYTES = 4 << 30
OPEN_FILES = 4096
THREADS_OF_ALL = 4096

SYSTEM_FOLDERS = (
    "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/opt", "/nix/store", "/gnu/store", "/snap",
    "/proc", "/sys", "/run/nvidia", "/run/opengl-driver",
)  # fmt: skip
SYSTEM_FILES = (
    "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/alternatives", "/etc/localtime", "/etc/timezone",
    "/etc/nsswitch.conf", "/etc/passwd", "/etc/group", "/etc/os-release", "/etc/machine-id", "/etc/OpenCL",
    "/etc/nvidia",
)  # fmt: skip
NETWORK_FILES = (
    "/etc/hosts", "/etc/resolv.conf", "/etc/gai.conf", "/etc/host.conf", "/etc/services", "/etc/protocols",
    "/etc/ssl", "/etc/pki", "/etc/ca-certificates", "/run/systemd/resolve",
)  # fmt: skip
DEVICES = (
    "/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/nvidia-caps", "/dev/dri", "/dev/kfd",
    "/dev/accel", "/dev/dxg",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Confinement:
    """What the child may keep; the fields are those of `ChildLimits`."""

    workspace: Path
    readable: tuple[Path, ...]
    writable: tuple[Path, ...]
    network: bool
    memory_bytes: int
    file_bytes: int


def die_with(parent: int) -> None:
    """The kernel kills this process when `parent` dies, even by SIGKILL. Exits if that is too late already."""
    try:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        prctl(PR_SET_CHILD_SUBREAPER, 1)  # what it starts stays below it, where the parent looks for it
    except (Unsupported, OSError):
        return
    if os.getppid() != parent:
        os._exit(1)


def confine(limits: Confinement) -> dict[str, str]:
    """Takes the rights away.

    Returns:
        By name what holds now: "memory", "writes", "reads", "signals", "network", "process_group", "privileges". A
        value that begins with "not" says why it is not enforced.
    """
    status = {"memory": _limit_resources(limits)}
    status["privileges"] = _drop_privileges()
    status |= _limit_files(limits)
    status |= _limit_calls(limits, tcp_refused=status.pop("tcp") == "refused")
    return dict(sorted(status.items()))


def _limit_resources(limits: Confinement) -> str:
    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_FSIZE, limits.file_bytes)
    _lower(resource.RLIMIT_NOFILE, OPEN_FILES)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # too large a file is then an error that has a message
    _prefer_for_out_of_memory()
    _let_run_first()
    if sys.platform != "linux":
        return "supervised"
    # The count is over all processes of the user; root is exempt, and the parent counts in any case.
    _lower(resource.RLIMIT_NPROC, _threads_of_user() + THREADS_OF_ALL)
    _lower(resource.RLIMIT_DATA, limits.memory_bytes + UNTOUCHED_BYTES)
    return "supervised, and capped by RLIMIT_DATA"


def _lower(kind: int, value: int) -> None:
    _, hard = resource.getrlimit(kind)
    limit = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (limit, limit))


def _let_run_first() -> None:
    """Leaves it the lowest real-time priority, which only a privileged agent can give: a thread that sends requests on
    time needs it. A model could keep a core busy with it, up to the kernel's limit for real-time threads (95 %) and to
    the deadline.
    """
    try:
        resource.setrlimit(resource.RLIMIT_RTPRIO, (1, 1))
    except (AttributeError, ValueError, OSError):
        return


def _prefer_for_out_of_memory() -> None:
    """When the host runs out of memory the kernel shall kill this process, not the agent."""
    try:
        Path("/proc/self/oom_score_adj").write_text("1000")
    except OSError:
        return


def _threads_of_user() -> int:
    threads, user = 0, os.getuid()
    with os.scandir("/proc") as entries:
        for entry in entries:
            try:
                if entry.name.isdecimal() and entry.stat().st_uid == user:
                    threads += int(Path(entry.path, "stat").read_bytes().rpartition(b")")[2].split()[17])
            except (OSError, IndexError):
                continue  # it has just ended
    return threads


def _drop_privileges() -> str:
    try:
        prohibit_new_privileges()
        drop_capabilities()
    except (Unsupported, OSError) as error:
        return f"not dropped: {error}"
    return "dropped"


def _limit_files(limits: Confinement) -> dict[str, str]:
    gpus = tuple(Path("/dev").glob("nvidia*"))
    try:
        version = landlock.restrict_self(
            readable=(*_runtime_paths(limits.network), *limits.readable),
            writable=(limits.workspace, *limits.writable),
            devices=(*(Path(device) for device in DEVICES), *gpus),
            # CUDA's driver names its threads there, and without that it answers "operation not supported" to cuInit.
            rewritable=(Path(f"/proc/{os.getpid()}/task"),) if gpus else (),
            refuse_tcp=not limits.network,
        )
    except (Unsupported, OSError) as error:
        return dict.fromkeys(("writes", "reads", "signals"), f"not enforced: {error}") | {"tcp": ""}
    by = f"landlock {version}"
    truncation = "" if version >= 3 else ", except that files elsewhere can be truncated"
    return {
        "writes": f"own folder and cache only ({by}){truncation}",
        "reads": f"runtime and own files only ({by})",
        "signals": f"to its own processes only ({by})" if version >= 6 else f"not enforced: {by} is older than 6",
        "tcp": "refused" if version >= 4 else "",
    }


def _limit_calls(limits: Confinement, *, tcp_refused: bool) -> dict[str, str]:
    try:
        seccomp.refuse_calls(network=limits.network)
    except (Unsupported, OSError) as error:
        network = f"no TCP (landlock), but UDP: {error}" if tcp_refused else f"not enforced: {error}"
        group = f"not enforced: {error}"
    else:
        network, group = "none but Unix sockets (seccomp)", "cannot be left (seccomp)"
    return {"network": "allowed, for a remote target" if limits.network else network, "process_group": group}


def _runtime_paths(network: bool) -> Iterator[Path]:
    """Where Python, its packages and the system's libraries and compilers lie."""
    named = (*SYSTEM_FOLDERS, *SYSTEM_FILES, *(NETWORK_FILES if network else ()))
    python = (sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix, *sys.path)
    searched = (os.environ.get(name, "") for name in ("LD_LIBRARY_PATH", "CUDA_HOME", "CUDA_PATH"))
    for text in {*named, *python, *(part for value in searched for part in value.split(os.pathsep))}:
        path = Path(text)
        if text and path.is_absolute() and path != path.parent:  # the root would allow everything
            yield path

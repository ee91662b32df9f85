"""Starts a child, waits for it without spinning, and ends it, whatever it does."""

from __future__ import annotations

import json
import math
import os
import select
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from profiler_agent.errors import Cancelled, Crashed, DeadlineExceeded, MemoryLimit
from profiler_agent.isolation.channel import Garbage, LineReader
from profiler_agent.isolation.environment import child_environment
from profiler_agent.isolation.limits import ChildLimits
from profiler_agent.isolation.outcome import exit_error, printable_tail, told_error
from profiler_agent.isolation.supervision import usage_of

# How often the parent wakes to look at memory and at `cancelled`; each look costs it well below a millisecond.
LOOK_S = 0.2
READ_BYTES = 1 << 20
TAIL_BYTES = 16 << 10
LAST_WORDS_S = 10.0
"""How long a process may take to end after it closed its pipe."""


def run_child(
    task: str,
    argument: Any,
    *,
    limits: ChildLimits,
    cancelled: threading.Event,
    on_message: Callable[[Any], None] = lambda _: None,
) -> Any:
    """Runs `task` in a fresh process and returns its result.

    The process is a new interpreter in a session of its own, with a private working folder, few environment variables,
    and what the host offers of Landlock and seccomp (`probe_isolation`). It is killed with all it started when it
    ends, at the deadline, over its memory, when `cancelled` is set, and when this process dies.

    Args:
        task: "package.module:function", a function of (argument, Context) that returns a JSON value.
        argument: a JSON value.
        limits: what the process may take and touch.
        cancelled: set by another thread to stop it; looked at five times a second.
        on_message: gets, in this thread, what the task sends; what it raises ends the child and comes out.

    Raises:
        JobError: what the task raised; or Crashed, DeadlineExceeded, MemoryLimit, Cancelled.
        ValueError, TypeError: `argument` is not JSON.
    """
    with (
        _private_folder(limits.workspace) as workspace,
        tempfile.TemporaryFile(dir=limits.workspace) as order,
        tempfile.TemporaryFile(dir=limits.workspace) as output,
    ):
        incoming, outgoing = os.pipe()
        try:
            spawned_ns = time.monotonic_ns()
            document = {
                "task": task,
                "argument": argument,
                "parent": os.getpid(),
                "channel": outgoing,
                "workspace": str(workspace),
                "readable": [str(path.absolute()) for path in limits.readable],
                "writable": [str(path.absolute()) for path in limits.writable],
                "network": limits.network,
                "memory_bytes": limits.memory_bytes,
                "file_bytes": limits.file_bytes,
                "spawned_ns": spawned_ns,
            }
            order.write(json.dumps(document, allow_nan=False).encode())
            order.seek(0)
            process = subprocess.Popen(
                [sys.executable, "-m", "profiler_agent.isolation.child"],
                stdin=order,
                stdout=output,
                stderr=output,
                cwd=workspace,
                env=child_environment(workspace, limits.threads),
                pass_fds=(outgoing,),
                start_new_session=True,
            )
        except BaseException:
            os.close(incoming)
            raise
        finally:
            os.close(outgoing)
        child = _Child(process, incoming, output, limits, spawned_ns)
        try:
            return child.wait(cancelled, on_message)
        finally:
            child.end()


class _Child:
    """A started process. Its end is noticed by a descriptor of the process, not only by the end of its pipe, which a
    process that it forked may hold open.
    """

    def __init__(
        self, process: subprocess.Popen[bytes], channel: int, output: IO[bytes], limits: ChildLimits, spawned_ns: int
    ) -> None:
        self._process = process
        self._channel = channel
        self._output = output
        self._limits = limits
        self._deadline_ns = spawned_ns + round(limits.deadline_s * 1e9)
        self._reader = LineReader()
        os.set_blocking(channel, False)
        self._descriptor = _open_process(process.pid)

    def wait(self, cancelled: threading.Event, on_message: Callable[[Any], None]) -> Any:
        """The result. Blocks in poll; whoever calls ends the child afterwards."""
        poll = select.poll()
        poll.register(self._channel, select.POLLIN)
        if self._descriptor is not None:
            poll.register(self._descriptor, select.POLLIN)
        while True:
            ready = dict(poll.poll(self._pause_ms()))
            ended = self._descriptor in ready
            for data in self._read_all(until_empty=ended):
                if not data:
                    ended = True
                    break
                for kind, value in self._lines(data):
                    if kind == "result":
                        return value
                    if kind == "error":
                        raise told_error(value)
                    on_message(value)
            if ended:
                raise self._ended_without_result()
            self._look(cancelled)

    def _read_all(self, *, until_empty: bool) -> Iterator[bytes]:
        """What there is: one piece while the process runs, all once it has ended; b"" is the end of the pipe."""
        while True:
            try:
                data = os.read(self._channel, READ_BYTES)
            except BlockingIOError:
                return
            yield data
            if not (data and until_empty):
                return

    def _lines(self, data: bytes) -> list[tuple[str, Any]]:
        try:
            return self._reader.feed(data)
        except Garbage as garbage:
            raise Crashed(f"the child process wrote {garbage}") from None

    def end(self) -> None:
        """Kills the process with everything in its group and reaps it."""
        try:
            # Before it is reaped its number, which is also the group's, cannot belong to anyone else.
            os.killpg(self._process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            self._process.kill()
        self._process.wait()
        os.close(self._channel)
        if self._descriptor is not None:
            os.close(self._descriptor)

    def _pause_ms(self) -> float:
        left_ns = self._deadline_ns - time.monotonic_ns()
        return max(0.0, min(LOOK_S * 1e3, math.ceil(left_ns / 1e6)))

    def _look(self, cancelled: threading.Event) -> None:
        if cancelled.is_set():
            raise Cancelled("the job was cancelled")
        if time.monotonic_ns() >= self._deadline_ns:
            said = self._printed()
            hint = f"; it last wrote:\n{said}" if said else ""
            raise DeadlineExceeded(f"no result within {self._limits.deadline_s:.6g} s{hint}")
        usage = usage_of(self._process.pid, self._limits.processes)
        if usage.memory_bytes > self._limits.memory_bytes:
            raise MemoryLimit(
                f"the child process took {usage.memory_bytes / 2**20:.0f} MiB of memory; "
                f"{self._limits.memory_bytes / 2**20:.0f} MiB are allowed"
            )
        if usage.processes > self._limits.processes:
            raise Crashed(f"the child process started others; more than {self._limits.processes} is not allowed")

    def _ended_without_result(self) -> Exception:
        """It has ended, or closed its pipe and then has a little time to end."""
        deadline = time.monotonic() + LAST_WORDS_S
        # WNOWAIT: it is reaped only after its group was killed, while the number is still its own.
        while (ended := os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG)) is None:
            if time.monotonic() >= deadline:
                return Crashed("the child process closed its pipe without a result and went on")
            time.sleep(0.02)
        if self._reader.unfinished and ended.si_status == 0:
            return Crashed("the child process ended in the middle of its answer")
        status = ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status
        return exit_error(status, self._printed())

    def _printed(self) -> str:
        size = self._output.seek(0, os.SEEK_END)
        self._output.seek(max(0, size - TAIL_BYTES))
        return printable_tail(self._output.read())


def _open_process(number: int) -> int | None:
    """A descriptor that becomes readable when the process ends; None where the system has none."""
    try:
        return os.pidfd_open(number)
    except (AttributeError, OSError):
        return None


@contextmanager
def _private_folder(parent: Path) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="child-", dir=parent)).resolve()
    (folder / "tmp").mkdir()
    try:
        yield folder
    finally:
        remove_folder(folder)


def remove_folder(folder: Path) -> None:
    """Removes a folder that a child filled, which may have taken the rights from its own sub-folders."""

    def give_rights_back(function: Callable[[str], object], path: str, _: object) -> None:
        try:
            Path(path).parent.chmod(stat.S_IRWXU)
            if not Path(path).is_symlink():
                Path(path).chmod(stat.S_IRWXU)
            function(path)
        except OSError:
            return  # what cannot be removed is left for the operator to see

    if sys.version_info >= (3, 12):
        shutil.rmtree(folder, onexc=give_rights_back)
    else:
        shutil.rmtree(folder, onerror=give_rights_back)

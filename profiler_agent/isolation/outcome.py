"""Why a child ended without a result, in words."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from typing import Any

from profiler_agent import errors
from profiler_agent.errors import Cancelled, Crashed, JobError, MemoryLimit
from profiler_agent.isolation.channel import LONGEST_TEXT

TAIL_LINES = 12
TAIL_CHARACTERS = 1500
OUT_OF_MEMORY_WORDS = ("bad_alloc", "MemoryError", "annot allocate memory", "can't allocate memory", "out of memory")

# A child is told of its cancellation by being killed, so it never says so itself.
ERRORS_BY_CODE: dict[str, type[JobError]] = {
    kind.code: kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, JobError) and kind is not Cancelled
}


def told_error(value: Any) -> JobError:
    """The error that a child reported. Whatever it wrote, the answer is a JobError with a text of bounded length."""
    if not isinstance(value, Mapping):
        return Crashed("the child process reported an error without saying which")
    message = str(value.get("message", ""))[:LONGEST_TEXT]
    code = value.get("code")
    kind = ERRORS_BY_CODE.get(code) if isinstance(code, str) else None
    if kind is None:
        return Crashed(f"the child process reported an unknown kind of error: {message}")
    error = kind(message)
    error.retry = value.get("retry") is True
    return error


def exit_error(status: int, printed: str) -> JobError:
    """The error for a child that ended by itself: `status` as of subprocess, `printed` the end of what it wrote."""
    said = f"; it last wrote:\n{printed}" if printed else ""
    if status >= 0:
        if any(words in printed for words in OUT_OF_MEMORY_WORDS):
            return MemoryLimit(f"the child process ran out of memory (exit status {status}){said}")
        return Crashed(f"the child process ended without a result (exit status {status}){said}")
    name = _signal_name(-status)
    if -status == signal.SIGKILL:
        return MemoryLimit(
            "the child process was killed (SIGKILL) from outside, as the system does when the host runs out of memory"
        )
    if any(words in printed for words in OUT_OF_MEMORY_WORDS):
        return MemoryLimit(f"the child process ran out of memory ({name}){said}")
    return Crashed(f"the child process was ended by {name}{said}")


def printable_tail(output: bytes) -> str:
    """The last lines of what a child wrote, without control characters."""
    text = output.decode(errors="replace")
    lines = ["".join(c if c.isprintable() or c == "\t" else " " for c in line).rstrip() for line in text.splitlines()]
    return "\n".join([line for line in lines if line][-TAIL_LINES:])[-TAIL_CHARACTERS:]


def _signal_name(number: int) -> str:
    try:
        known = signal.Signals(number)
    except ValueError:
        return f"signal {number}"
    return f"{known.name} ({signal.strsignal(number)})"

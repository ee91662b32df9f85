"""What a task that runs in a child is given beside its argument."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a task that runs in a child is given beside its argument.

    Attributes:
        send: hands a JSON value to the parent's `on_message` at once.
        workspace: the private working folder; it vanishes with the child.
        spawned_ns: `time.monotonic_ns()` just before the parent started this process: the origin of a cold start.
        started_ns: the same clock when the first line of the child ran; the difference is the start of the process
            and of the interpreter.
        isolation: what is enforced on this process, by name; see `probe_isolation`.
    """

    send: Callable[[Any], None]
    workspace: Path
    spawned_ns: int
    started_ns: int
    isolation: dict[str, str]

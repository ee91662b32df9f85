"""The process that runs one task: `python -m profiler_agent.isolation.child`, started by `run_child` only.

It reads what to do as JSON from its standard input, takes its own rights away, runs the task, and answers over a pipe
of its own, so that whatever a library prints on standard output or error stays apart.
"""

from __future__ import annotations

import faulthandler
import importlib
import json
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from profiler_agent.errors import Crashed, JobError, MemoryLimit
from profiler_agent.isolation.channel import LONGEST_TEXT, encode_line
from profiler_agent.isolation.confinement import Confinement, confine, die_with
from profiler_agent.isolation.context import Context


def main() -> None:
    """Runs the task that standard input names."""
    started_ns = time.monotonic_ns()
    order = json.load(sys.stdin)
    die_with(order["parent"])
    faulthandler.enable()
    answer = _Answer(order["channel"])
    workspace = Path(order["workspace"])
    isolation = confine(
        Confinement(
            workspace=workspace,
            readable=tuple(map(Path, order["readable"])),
            writable=tuple(map(Path, order["writable"])),
            network=order["network"],
            memory_bytes=order["memory_bytes"],
            file_bytes=order["file_bytes"],
        )
    )
    context = Context(
        send=lambda value: answer.write("message", value),
        workspace=workspace,
        spawned_ns=order["spawned_ns"],
        started_ns=started_ns,
        isolation=isolation,
    )
    try:
        result = _find_task(order["task"])(order["argument"], context)
    except JobError as error:
        answer.fail(error)
    except MemoryError as error:
        answer.fail(MemoryLimit(f"ran out of memory ({_in_short(error)})"))
    except BaseException as error:  # noqa: BLE001 - whatever a model's runtime raises, SystemExit included
        traceback.print_exc()
        answer.fail(MemoryLimit(_in_short(error)) if _is_out_of_memory(error) else Crashed(_in_short(error)))
    else:
        answer.finish(result)
    # Not sys.exit: runtimes that crash or hang while they are torn down shall not spoil a result that is complete.
    sys.stdout.flush()
    os._exit(0)


def _find_task(name: str) -> Callable[[Any, Context], Any]:
    module, _, function = name.partition(":")
    task: Callable[[Any, Context], Any] = getattr(importlib.import_module(module), function)
    return task


class _Answer:
    """The pipe to the parent. Safe to share between threads."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lock = threading.Lock()
        os.set_inheritable(descriptor, False)

    def write(self, kind: str, value: Any) -> None:
        """Writes one line. Raises ValueError or TypeError where `value` is not JSON."""
        line = memoryview(encode_line(kind, value))
        with self._lock:
            while line:
                line = line[os.write(self._descriptor, line) :]

    def finish(self, result: Any) -> None:
        try:
            self.write("result", result)
        except (TypeError, ValueError) as error:
            self.fail(Crashed(f"gave a result that is not JSON ({error})"))

    def fail(self, error: JobError) -> None:
        self.write("error", {"code": error.code, "message": error.message[:LONGEST_TEXT], "retry": error.retry})


def _is_out_of_memory(error: BaseException) -> bool:
    """torch, ONNX Runtime and OpenVINO have their own words for it."""
    text = str(error).lower()
    return (
        "OutOfMemory" in type(error).__name__
        or "bad_alloc" in text
        or "out of memory" in text
        or "can't allocate memory" in text
        or "cannot allocate memory" in text
        or "failed to allocate memory" in text
    )


def _in_short(error: BaseException) -> str:
    text = str(error).strip()
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


if __name__ == "__main__":
    main()

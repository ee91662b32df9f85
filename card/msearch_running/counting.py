"""Counts what ONNX files take, in a process of its own: a file of strangers can take that down, nothing else.

`python -m msearch_running.counting FILE...` prints the counts of each as a line of JSON; `count_apart` and
`count_each_apart` call that.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from msearch_running.counts import Counts
from msearch_running.errors import Crashed, DeadlineExceeded, LoadFailed, RunError, RuntimeMissing

DEADLINE_S = 120.0


def count_apart(path: Path, *, deadline_s: float = DEADLINE_S) -> Counts:
    """Parameters, operators, and FLOPs and activations of one sample, as far as they can be said.

    Raises:
        RuntimeMissing: the package onnx is not installed.
        LoadFailed: the file is no readable ONNX model, or reaches beyond itself.
        DeadlineExceeded, Crashed: counting took too long, or took its process down.
    """
    (found,) = count_each_apart([path], deadline_s=deadline_s)
    if isinstance(found, RunError):
        raise found
    return found


def count_each_apart(paths: Sequence[Path], *, deadline_s: float = DEADLINE_S) -> list[Counts | RunError]:
    """The counts of each file, or why there are none, as `count_apart` would raise it; all in one process.

    Where a file takes the process down, or the time of all is over, those after it have the same reason.

    Raises:
        RuntimeMissing: the package onnx is not installed.
    """
    if importlib.util.find_spec("onnx") is None:
        raise RuntimeMissing('counting what a graph takes needs onnx: pip install "msearch[onnx]"')
    command = [sys.executable, "-m", "msearch_running.counting", *map(str, paths)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=deadline_s, check=False)  # noqa: S603
        printed, ended = done.stdout, f"ended with code {done.returncode}"
    except subprocess.TimeoutExpired as error:
        told = error.stdout or b""
        printed = told.decode() if isinstance(told, bytes) else told
        ended = f"lasted longer than {deadline_s:g} s"
    answers: list[Counts | RunError] = [
        _read(line) for line in printed.splitlines(keepends=True) if line.endswith("\n")
    ]
    kind = DeadlineExceeded if ended.startswith("lasted") else Crashed
    answers += [kind(f"counting what {path.name} takes {ended}") for path in paths[len(answers) :]]
    return answers


def _read(line: str) -> Counts | RunError:
    answer = json.loads(line)
    return LoadFailed(str(answer["problem"])) if "problem" in answer else Counts(**answer)


def _main(paths: Sequence[Path]) -> None:
    from msearch_running import onnx_counting, onnx_files  # noqa: PLC0415 - imports onnx

    for path in paths:
        try:
            counts = onnx_counting.count(onnx_files.read_model(path), path.stat().st_size)
        except (RunError, OSError) as error:
            answer = {"problem": str(error)}
        else:
            answer = dataclasses.asdict(counts)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _main([Path(word) for word in sys.argv[1:]])

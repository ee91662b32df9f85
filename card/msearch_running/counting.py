"""Counts what an ONNX file takes, in a process of its own: a file of strangers can take that down, nothing else.

`python -m msearch_running.counting FILE` prints the counts as JSON; `count_apart` calls that.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import subprocess
import sys
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
    if importlib.util.find_spec("onnx") is None:
        raise RuntimeMissing('counting what a graph takes needs onnx: pip install "msearch[onnx]"')
    command = [sys.executable, "-m", "msearch_running.counting", str(path)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=deadline_s, check=False)  # noqa: S603
    except subprocess.TimeoutExpired:
        raise DeadlineExceeded(f"counting what {path.name} takes lasted longer than {deadline_s:g} s") from None
    try:
        answer = json.loads(done.stdout)
    except ValueError:
        raise Crashed(f"counting what {path.name} takes ended with code {done.returncode}") from None
    if "problem" in answer:
        raise LoadFailed(str(answer["problem"]))
    return Counts(**answer)


def _main(path: Path) -> None:
    from msearch_running import onnx_counting, onnx_files  # noqa: PLC0415 - imports onnx

    try:
        counts = onnx_counting.count(onnx_files.read_model(path), path.stat().st_size)
    except (RunError, OSError) as error:
        answer = {"problem": str(error)}
    else:
        answer = dataclasses.asdict(counts)
    sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    _main(Path(sys.argv[1]))

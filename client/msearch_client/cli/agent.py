"""`agent`: runs a profiler agent in place of this program."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec

import typer

from msearch_client import LocalError

NEEDED = ("profiler_agent", "hdrh", "psutil", "pynvml", "structlog")


def agent(context: typer.Context) -> None:
    """Run a profiler agent on this host; arguments go to `python -m profiler_agent run`.

    For example: msearch-cli agent --server 127.0.0.1:50051. Its own options: msearch-cli agent -- --help.
    """
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise LocalError(
            f"an agent cannot run here: {', '.join(missing)} not installed",
            hint="run `pip install 'msearch[agent]'`, and the extras of the runtimes to measure: onnx, openvino, torch",
        )
    # Replacing the process hands signals and the exit code through without a parent in between.
    os.execv(sys.executable, [sys.executable, "-m", "profiler_agent", "run", *context.args])  # noqa: S606

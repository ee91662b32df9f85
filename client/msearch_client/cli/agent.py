"""`agent`: runs a profiler agent in place of this program."""

from __future__ import annotations

import typer

from msearch_client.cli.handing_over import hand_over

NEEDED = ("profiler_agent", "hdrh", "psutil", "pynvml", "structlog")


def agent(context: typer.Context) -> None:
    """Run a profiler agent on this host; arguments go to `python -m profiler_agent run`.

    For example: msearch-cli agent --server 127.0.0.1:50051. Its own options: msearch-cli agent -- --help.
    """
    hand_over(
        "an agent",
        ["profiler_agent", "run", *context.args],
        needed=NEEDED,
        hint="run `pip install 'msearch[agent]'`, and the extras of the runtimes to measure: onnx, openvino, torch",
    )

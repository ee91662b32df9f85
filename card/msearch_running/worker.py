"""The process of `ModelProcess`: one order a line on standard input, answers as lines on standard output.

Outputs are left in files, as raw numbers. Whatever a library prints goes to standard error.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from msearch_card import CardError, parse_card
from msearch_running.errors import RunError
from msearch_running.running import run_model


def main() -> None:
    """Works until standard input ends."""
    channel = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)

    def say(answer: dict[str, Any]) -> None:
        channel.write(json.dumps(answer).encode() + b"\n")

    for line in sys.stdin.buffer:
        order = json.loads(line)
        try:
            say(_run(order, lambda share: say({"share": share})))
        except RunError as error:
            say({"error": {"code": error.code, "message": error.message}})
        except CardError as error:
            say({"error": {"code": "wrong_input", "message": f"the card cannot be read: {error}"}})
        except MemoryError:
            say({"error": {"code": "memory_limit", "message": "this machine ran out of memory"}})


def _run(order: dict[str, Any], on_progress: Any) -> dict[str, Any]:
    with pa.memory_map(order["rows"]) as source:
        rows = pa.ipc.open_file(source).read_all()
    outputs = run_model(
        parse_card(order["card"]).with_base(order["base"]),
        Path(order["artifact"]),
        rows,
        with_noise=order["with_noise"],
        threads=order["threads"],
        on_progress=on_progress,
    )
    outputs.probabilities.astype(np.float32).tofile(order["probabilities"])
    draws = outputs.noisy_votes
    if draws is not None:
        draws.astype(np.int16).tofile(order["noisy_votes"])
    return {"draws": 0 if draws is None else len(draws), "problem": outputs.problem}


if __name__ == "__main__":
    main()

"""What the child of an evaluate job does: it alone reads the rows and runs the model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from msearch_card import CardError, parse_card
from msearch_running import RunError, run_model
from msearch_running.noise import NOISE_DRAWS
from profiler_agent.errors import JobError, WrongInput, job_error
from profiler_agent.evaluating.job import Answer, read_order, write_answer
from profiler_agent.host.libraries import library_versions
from profiler_agent.isolation import Context

LARGEST_NOISE_BYTES = 2 << 20
"""Votes under noise travel in one message; of a larger sample there are none."""

_LIBRARIES = ("numpy", "onnxruntime", "torch", "msearch")


def evaluate(argument: Any, context: Context) -> Any:
    """Runs the model on every row and leaves its outputs in the files that the order names.

    Raises:
        JobError: why it could not.
    """
    order = read_order(argument)
    rows = _read_rows(order.sample)
    with_noise = order.with_noise and len(NOISE_DRAWS) * rows.num_rows * 2 <= LARGEST_NOISE_BYTES
    try:
        outputs = run_model(
            parse_card(order.card_json),
            order.artifact,
            rows,
            with_noise=with_noise,
            on_progress=lambda share: context.send({"share": float(share)}),
        )
    except CardError as error:
        raise JobError(f"the model's card cannot be read by this version: {error}") from None
    except RunError as error:
        raise job_error(error) from None
    _write(order.probabilities, outputs.probabilities, "<f4")
    if outputs.noisy_votes is not None:
        _write(order.noisy_votes, outputs.noisy_votes, "<i2")
    return write_answer(
        Answer(
            rows=rows.num_rows,
            classes=len(outputs.classes),
            draws=0 if outputs.noisy_votes is None else len(outputs.noisy_votes),
            problem=outputs.problem,
            versions=library_versions(_LIBRARIES),
        )
    )


def _read_rows(path: Path) -> pa.Table:
    try:
        with pa.memory_map(str(path)) as source:
            return pa.ipc.open_stream(source).read_all()
    except (pa.ArrowException, OSError) as error:
        raise WrongInput(f"the sample is no Arrow IPC stream: {error}") from None


def _write(path: Path, values: NDArray[Any], dtype: str) -> None:
    np.ascontiguousarray(values, np.dtype(dtype)).tofile(path)

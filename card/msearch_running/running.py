"""Runs a model on the rows of a table, as its card says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from msearch_card import Card, OutputError
from msearch_card.outputs import probabilities
from msearch_running.columns import named_as_card
from msearch_running.errors import WrongOutput, WrongRows
from msearch_running.models import LoadedModel, fixed_batch, load_model
from msearch_running.noise import NOISE_DRAWS
from msearch_running.outputs import Outputs, count_votes
from msearch_running.rows import Batch, PreparedRows

OnProgress = Callable[[float], object]
"""Called with the share that is done, in [0, 1]."""

LARGEST_OUTPUT_BYTES = 256 << 20


def run_model(
    card: Card,
    artifact: Path,
    rows: pa.Table,
    *,
    with_noise: bool = False,
    threads: int = 1,
    on_progress: OnProgress = lambda _: None,
) -> Outputs:
    """The model's class probabilities of every row.

    Args:
        card: says how rows become tensors, and tensors probabilities.
        artifact: the file of the model.
        rows: at least one; columns that the card does not name, labels among them, are left alone.
        with_noise: also run it under the fixed draws of noise on its weights, which takes 40 times as long.
        threads: of the runtime.
        on_progress: told after every call.

    Raises:
        RunError: the model cannot be loaded, cannot take these rows, or gives what is no probabilities.
    """
    if not rows.num_rows:
        raise WrongRows("there is no row to run the model on")
    if rows.num_rows * len(card.classes) * 4 > LARGEST_OUTPUT_BYTES:
        raise WrongRows(
            f"{rows.num_rows:,} rows x {len(card.classes):,} classes are more outputs than the "
            f"{LARGEST_OUTPUT_BYTES >> 20} MiB that are allowed: take fewer rows"
        )
    model = load_model(card, artifact, threads=threads)
    prepared = PreparedRows(card, named_as_card(card, rows), model.inputs)
    draws = NOISE_DRAWS if with_noise and model.has_weights else ()
    passes = 1 + len(draws)
    found = _run_all(card, model, prepared, lambda share: on_progress(share / passes))
    if np.isnan(found).all():
        raise WrongRows(f"no row can be read as the card of {card.identity} says: {prepared.problem}")
    noisy = np.full((len(draws), rows.num_rows), -1, np.int16)
    for done, (eta, seed) in enumerate(draws, 1):
        with suppress(WrongOutput):  # noise can drive a model to infinity: it then votes for nothing
            noisy[done - 1] = count_votes(_run_all(card, model.with_noise(eta, seed), prepared, lambda _: None))
        on_progress((done + 1) / passes)
    return Outputs(card.classes, found, prepared.problem, noisy if draws else None)


def _run_all(card: Card, model: LoadedModel, prepared: PreparedRows, on_progress: OnProgress) -> NDArray[np.float32]:
    """Probabilities [n, K]; NaN in the rows that could not be read."""
    found = np.full((prepared.count, len(card.classes)), np.nan, np.float32)
    done = 0
    for batch in prepared:
        if len(batch.positions):
            outputs = _run_batch(model, batch)
            try:
                found[batch.positions] = probabilities(card, outputs)
            except OutputError as error:
                raise WrongOutput(str(error)) from None
        done = batch.stop
        on_progress(done / prepared.count)
    return found


def _run_batch(model: LoadedModel, batch: Batch) -> dict[str, NDArray[Any]]:
    """The outputs of a batch; a model of a fixed batch is called as often as needed, at last with repeated rows."""
    rows = len(batch.positions)
    size = fixed_batch(model)
    if size is None or size == rows:
        outputs = model.run(batch.feed)
        _check_rows(outputs, rows)
        return outputs
    parts = []
    for start in range(0, rows, size):
        chosen = np.arange(start, start + size) % rows
        outputs = model.run({name: tensor[chosen] for name, tensor in batch.feed.items()})
        _check_rows(outputs, size)
        parts.append({name: tensor[: rows - start] for name, tensor in outputs.items()})
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _check_rows(outputs: Mapping[str, NDArray[Any]], rows: int) -> None:
    for name, tensor in outputs.items():
        if tensor.ndim == 0 or len(tensor) != rows:
            raise WrongOutput(f"the output {name!r} has the shape {list(tensor.shape)} for {rows} rows")

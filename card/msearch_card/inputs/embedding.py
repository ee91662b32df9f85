"""Embeddings: vectors of a fixed length, as they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from msearch_card.input_specs import EmbeddingInput
from msearch_card.inputs.base import ONLY_INPUT, Prepared, row_problem
from msearch_card.inputs.columns import list_parts, numbers, read_column, valid_mask


def prepare(spec: EmbeddingInput, batch: pa.RecordBatch, base: Path | None) -> Prepared:  # noqa: ARG001 - no file is named
    """Tensor [m, length] float32. Skips rows that are missing, of another length, or not finite in float32."""
    types = [f"vector[{spec.length}]", "list<float>"]
    column = read_column(batch, spec.column, "input.column", types).cast(pa.list_(pa.float64()))
    offsets, values = list_parts(column)
    fitting = valid_mask(column) & (np.diff(offsets) == spec.length)
    with np.errstate(over="ignore"):
        flat = numbers(values).astype(np.float32)
    places = offsets[:-1][fitting][:, None] + np.arange(spec.length)
    vectors = flat[places] if flat.size else np.zeros(places.shape, np.float32)
    finite = np.isfinite(vectors).all(axis=1)
    kept = fitting.copy()
    kept[fitting] = finite
    problem = ""
    if not kept.all():
        row = int(np.argmin(kept))
        reason = "holds a missing value, NaN or infinity" if fitting[row] else f"does not hold {spec.length} numbers"
        problem = row_problem(row, f"column {spec.column!r} {reason}")
    return Prepared({spec.tensor or ONLY_INPUT: vectors[finite]}, kept, problem)

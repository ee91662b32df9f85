"""Tabular rows: numbers, truth values and categories, in the card's order."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from msearch_card.input_specs import TabularColumn, TabularInput
from msearch_card.inputs.base import ONLY_INPUT, Prepared, row_problem
from msearch_card.inputs.columns import numbers, read_column


def prepare(spec: TabularInput, batch: pa.RecordBatch, base: Path | None) -> Prepared:  # noqa: ARG001 - no file is named
    """Tensor [m, columns] float32: numbers as they are, truth values 0 and 1, categories their position.

    A value that is null, not finite in float32, or no known category is missing: `fill` stands in, or without it the
    row is skipped.
    """
    values = np.empty((len(batch), len(spec.columns)), np.float32)
    kept = np.ones(len(batch), np.bool_)
    problem = ""
    for position, column in enumerate(spec.columns):
        read = _read(column, batch, f"input.columns[{position}]")
        missing = ~np.isfinite(read)
        if column.fill_number is not None:
            read[missing] = column.fill_number
        else:
            if not problem and (missing & kept).any():
                reason = "is missing or unknown, and the card has no fill for it"
                problem = row_problem(int(np.argmax(missing & kept)), f"column {column.name!r} {reason}")
            kept &= ~missing
        values[:, position] = read
    return Prepared({spec.tensor or ONLY_INPUT: values[kept]}, kept, problem)


def _read(column: TabularColumn, batch: pa.RecordBatch, path: str) -> NDArray[np.float32]:
    """The column as numbers, a missing value as NaN. [n]"""
    if column.type == "number":
        array = read_column(batch, column.name, path, ["float", "integer", "boolean"])
        with np.errstate(over="ignore"):
            return numbers(array).astype(np.float32)
    if column.type == "boolean":
        array = read_column(batch, column.name, path, ["boolean", "integer"])
        read = numbers(array).astype(np.float32)
        read[(read != 0) & (read != 1)] = np.nan
        return read
    array = read_column(batch, column.name, path, ["string", "category", "integer", "boolean"])
    # Nulls match nothing, since no category is null.
    found = pc.index_in(array.cast(pa.string()), value_set=pa.array(column.categories, pa.string()))
    return numbers(found).astype(np.float32)

"""The rows of a table as a model's tensors, a bounded number at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from msearch_card import Card, InputError
from msearch_card.input_specs import EmbeddingInput, ImageInput, TabularInput, TextInput, TimeSeriesInput
from msearch_card.inputs import prepare
from msearch_card.inputs.base import row_problem
from msearch_running.errors import LoadFailed, WrongRows
from msearch_running.tensors import Feed, TensorSpec

MOST_ROWS = 256
"""Rows a call, fewer where one row is large."""

_CALL_BYTES = 8 << 20
_KEPT_BYTES = 128 << 20
_FLOATS = ("float16", "float32", "float64")


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Prepared rows: `feed` holds m rows a tensor, `positions` [m] says which of the table they are.

    `stop` is the first row of the table after those that were looked at.
    """

    feed: Feed
    positions: NDArray[np.intp]
    stop: int

    @property
    def size_bytes(self) -> int:
        """Memory that the tensors take; of strings only the references."""
        return sum(tensor.nbytes for tensor in self.feed.values())


class PreparedRows:
    """Iterates over the batches of a table, as often as wanted; they are kept where they fit into 128 MiB.

    After a whole pass `problem` says why the first row was skipped ("" if none was).

    Raises (while iterating):
        WrongRows: the rows are not what the card says.
        LoadFailed: the model takes tensors that the card does not prepare.
    """

    def __init__(self, card: Card, rows: pa.Table, inputs: Sequence[TensorSpec]) -> None:
        self._card = card
        self._rows = rows
        self._inputs = inputs
        self._batch_rows = rows_per_call(card)
        self._kept: list[Batch] | None = None
        self.problem = ""

    @property
    def count(self) -> int:
        """Rows of the table."""
        return int(self._rows.num_rows)

    def __iter__(self) -> Iterator[Batch]:
        if self._kept is not None:
            yield from self._kept
            return
        kept: list[Batch] | None = []
        size_bytes = 0
        self.problem = ""
        for start in range(0, self.count, self._batch_rows):
            batch = self._prepare(start)
            size_bytes += batch.size_bytes
            kept = None if kept is None or size_bytes > _KEPT_BYTES else [*kept, batch]
            yield batch
        self._kept = kept

    def _prepare(self, start: int) -> Batch:
        part = self._rows.slice(start, self._batch_rows).combine_chunks().to_batches()[0]
        try:
            prepared = prepare(self._card, part)
        except InputError as error:
            raise WrongRows(f"the rows are not what the card of {self._card.identity} says: {error}") from None
        if prepared.problem and not self.problem:
            first = int(np.argmin(prepared.kept))
            self.problem = row_problem(start + first, prepared.problem.removeprefix(row_problem(first, "")))
        try:
            feed = prepared.feed([spec.name for spec in self._inputs])
        except InputError as error:
            raise LoadFailed(str(error)) from None
        tensors = {spec.name: _cast(feed[spec.name], spec) for spec in self._inputs}
        return Batch(tensors, start + np.flatnonzero(prepared.kept), start + part.num_rows)


def rows_per_call(card: Card) -> int:
    """How many rows one call gets, so that its inputs take at most 8 MiB."""
    spec = card.input
    row_bytes = 1
    if isinstance(spec, ImageInput):
        row_bytes = spec.width * spec.height * spec.channels * 4
    elif isinstance(spec, TimeSeriesInput):
        row_bytes = (spec.channels or 1) * (spec.length or 1) * 4
    elif isinstance(spec, TextInput) and spec.encoding.type == "hashing":
        row_bytes = spec.encoding.features * 4
    elif isinstance(spec, TextInput) and spec.encoding.type == "tokenizer":
        row_bytes = spec.encoding.length * 8 * 3
    elif isinstance(spec, TabularInput):
        row_bytes = len(spec.columns) * 4
    elif isinstance(spec, EmbeddingInput):
        row_bytes = spec.length * 4
    return max(1, min(MOST_ROWS, _CALL_BYTES // row_bytes))


def _cast(tensor: NDArray[Any], spec: TensorSpec) -> NDArray[Any]:
    """A card's numbers are float32; an artifact may want another width."""
    if tensor.dtype.kind != "f" or spec.element_type == tensor.dtype.name:
        return tensor
    if spec.element_type not in _FLOATS:
        raise LoadFailed(
            f"the model takes {spec.element_type} for the input {spec.name!r}, and the card prepares {tensor.dtype}"
        )
    return tensor.astype(spec.element_type)

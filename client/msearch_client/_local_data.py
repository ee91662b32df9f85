"""Data on this machine: opened as a dataset, cut to a number of rows, watched while it is read."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa

from msearch_client._artifacts import OnProgress
from msearch_client._catalogue import Modality, parse_modality
from msearch_client._errors import LocalError
from msearch_sketch import Dataset, open_dataset
from msearch_sketch.errors import SketchError
from msearch_sketch.readers.base import Source


class WatchedSource:
    """Another source's first `limit_rows` rows, or all; reports how many were read."""

    def __init__(self, source: Source, limit_rows: int | None, progress: OnProgress | None) -> None:
        self._source = source
        self._limit = limit_rows
        self._progress = progress
        self.name = source.name
        self.schema = source.schema
        self.size_bytes = source.size_bytes
        self.row_count = source.row_count
        if limit_rows is not None and source.row_count is not None:
            self.row_count = min(limit_rows, source.row_count)

    def read(self, schema: pa.Schema, rows: int) -> Iterator[pa.RecordBatch]:
        """See `Source.read`."""
        done = 0
        for batch in self._source.read(schema, rows):
            cut = batch if self._limit is None else batch.slice(0, self._limit - done)
            done += cut.num_rows
            if self._progress is not None:
                self._progress(done, self.row_count)
            yield cut
            if self._limit is not None and done >= self._limit:
                return


@contextmanager
def explain_sketch_errors() -> Iterator[None]:
    """What the sketcher has against the data, as a LocalError."""
    try:
        yield
    except SketchError as error:
        raise LocalError(str(error)) from None


def open_data(
    data: Any,
    *,
    modality: Modality | str | None = None,
    column: str | None = None,
    labels: str | None = None,
    ignore: Collection[str] = (),
    limit_rows: int | None = None,
    progress: OnProgress | None = None,
) -> Dataset:
    """Opens a path, table, stream or frame; see `msearch_sketch.open_dataset` for what modality, column, labels and
    ignore do.

    Raises:
        LocalError: the data cannot be read, or its columns fit no modality.
    """
    if limit_rows is not None and limit_rows < 1:
        raise LocalError(f"limit_rows must be 1 or more, not {limit_rows}")
    chosen = None if modality is None else parse_modality(modality).value
    if isinstance(data, Dataset):
        dataset = data
    else:
        with explain_sketch_errors():
            dataset = open_dataset(data, modality=chosen, column=column, labels=labels, ignore=ignore)
    if limit_rows is None and progress is None:
        return dataset
    source = WatchedSource(dataset.source, limit_rows, progress)
    return dataclasses.replace(dataset, source=source, row_count=source.row_count)


def without_labels(dataset: Dataset) -> Dataset:
    """The same rows, none of them labelled; the label column does not become data."""
    return dataclasses.replace(dataset, labels=None)

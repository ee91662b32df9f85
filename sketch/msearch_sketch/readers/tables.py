"""Data that is in memory already: Arrow tables, batches and streams, pandas and polars frames."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any

import pyarrow as pa

from msearch_sketch.errors import DatasetError
from msearch_sketch.readers.base import cast_batch, explain_read_errors


class TableSource:
    """An Arrow table. Nothing is copied until a batch is cast."""

    def __init__(self, table: pa.Table, name: str) -> None:
        self.name = name
        self._table = table
        self.schema: pa.Schema = table.schema
        self.row_count: int | None = table.num_rows
        self.size_bytes: int | None = table.nbytes

    def read(self, schema: pa.Schema, rows: int) -> Iterator[pa.RecordBatch]:
        """See `Source.read`."""
        for batch in self._table.select(schema.names).to_batches(max_chunksize=rows):
            yield cast_batch(batch, schema, self.name)


class StreamSource:
    """A stream of record batches, which can be read once."""

    row_count: int | None = None
    size_bytes: int | None = None

    def __init__(self, reader: pa.RecordBatchReader, name: str) -> None:
        self.name = name
        self._reader = reader
        self._consumed = False
        self._peeked: list[pa.RecordBatch] = []
        self.schema: pa.Schema = reader.schema

    def read(self, schema: pa.Schema, rows: int) -> Iterator[pa.RecordBatch]:
        """See `Source.read`."""
        if self._consumed:
            raise DatasetError(f"{self.name} can be read only once: pass a file or a table where two passes are needed")
        self._consumed = True
        with explain_read_errors(self.name):
            for batch in chain(self._peeked, self._reader):
                for start in range(0, batch.num_rows, rows):
                    yield cast_batch(batch.slice(start, rows), schema, self.name)

    def peek(self, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        """The first batches, which `read` will yield again."""
        with explain_read_errors(self.name):
            for batch in self._reader:
                self._peeked.append(batch)
                yield cast_batch(batch, schema, self.name)


def open_object(data: Any) -> TableSource | StreamSource | None:
    """A source for an in-memory object, or None where its type is unknown.

    pandas is recognised by its class's name and everything else by the Arrow C stream interface, so that neither
    pandas nor polars is imported.

    Raises:
        DatasetError: a pandas column mixes types.
    """
    kind = type(data)
    if isinstance(data, pa.Table):
        return TableSource(data, "the table")
    if isinstance(data, pa.RecordBatch):
        return TableSource(pa.Table.from_batches([data]), "the record batch")
    if isinstance(data, pa.RecordBatchReader):
        return StreamSource(data, "the stream")
    if kind.__name__ == "DataFrame" and kind.__module__.partition(".")[0] == "pandas":
        try:
            return TableSource(pa.Table.from_pandas(data, preserve_index=False), "the pandas frame")
        except (pa.ArrowException, TypeError, ValueError) as error:
            reason = "; ".join(str(part) for part in error.args)
            raise DatasetError(f"the pandas frame has a column of mixed or unknown type: {reason}") from None
    if hasattr(data, "__arrow_c_stream__"):
        return TableSource(pa.table(data), f"the {kind.__module__.partition('.')[0]} frame")
    return None

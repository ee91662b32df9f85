"""Parquet files, read row group by row group through a small buffer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from msearch_sketch.readers.base import cast_batch, explain_read_errors

_BUFFER_BYTES = 1 << 20


class ParquetSource:
    """A Parquet file; only the wanted columns are read."""

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self._path = path
        with explain_read_errors(self.name), self._open() as file:
            self.schema: pa.Schema = file.schema_arrow
            self.row_count: int | None = file.metadata.num_rows
        self.size_bytes: int | None = path.stat().st_size

    def _open(self) -> pq.ParquetFile:
        return pq.ParquetFile(self._path, buffer_size=_BUFFER_BYTES, pre_buffer=False)

    def read(self, schema: pa.Schema, rows: int) -> Iterator[pa.RecordBatch]:
        """See `Source.read`."""
        with explain_read_errors(self.name), self._open() as file:
            for batch in file.iter_batches(batch_size=rows, columns=schema.names, use_threads=False):
                yield cast_batch(batch, schema, self.name)

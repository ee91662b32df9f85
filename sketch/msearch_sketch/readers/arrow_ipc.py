"""Arrow IPC: the file format (Feather version 2) and the stream format."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from msearch_sketch.readers.base import cast_batch, explain_read_errors

FILE_MAGIC = b"ARROW1"


class ArrowSource:
    """A file in either format, told apart by its first bytes."""

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self._path = path
        self.size_bytes: int | None = path.stat().st_size
        self.row_count: int | None = None
        with path.open("rb") as file:
            self._is_file_format = file.read(len(FILE_MAGIC)) == FILE_MAGIC
        with explain_read_errors(self.name), pa.memory_map(str(path)) as mapped:
            if self._is_file_format:
                reader = pa.ipc.open_file(mapped)
                self.row_count = sum(reader.get_batch(i).num_rows for i in range(reader.num_record_batches))
            else:
                reader = pa.ipc.open_stream(mapped)
            self.schema: pa.Schema = reader.schema

    def read(self, schema: pa.Schema, rows: int) -> Iterator[pa.RecordBatch]:
        """See `Source.read`."""
        with explain_read_errors(self.name), pa.memory_map(str(self._path)) as mapped:
            for batch in self._iterate(mapped):
                # Offsets and lengths in a damaged file lead outside it; only full validation looks at every one.
                batch.validate(full=True)
                for start in range(0, batch.num_rows, rows):
                    yield cast_batch(batch.slice(start, rows), schema, self.name)

    def _iterate(self, mapped: pa.MemoryMappedFile) -> Iterator[pa.RecordBatch]:
        if self._is_file_format:
            reader = pa.ipc.open_file(mapped)
            for index in range(reader.num_record_batches):
                yield reader.get_batch(index)
        else:
            yield from pa.ipc.open_stream(mapped)

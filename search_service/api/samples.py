"""Looks at the sample of a dataset before it is stored: agents calibrate on it, so it must be what it says."""

from __future__ import annotations

import pyarrow as pa

from search_service.api.sketching import ARROW_FAILURES, ChunkFile
from search_service.domain.catalog import DatasetSample
from search_service.domain.errors import InvalidArgument, Reason, ResourceExhausted
from search_service.usecases.samples import LARGEST_SAMPLE_BYTES

LARGEST_BATCH_IN_MEMORY_BYTES = 512 << 20
"""A compressed batch may be larger than what travelled."""


class ArrowSampleInspection:
    """Implements `usecases.registry.SampleInspection` for one Arrow IPC stream; holds the bytes until `finish`."""

    def __init__(self) -> None:
        self._chunks: list[bytes] = []

    def write(self, chunk: bytes) -> None:
        self._chunks.append(chunk)

    def finish(self, sample: DatasetSample) -> None:
        stream = ChunkFile(self._chunks, LARGEST_SAMPLE_BYTES)
        try:
            reader = pa.ipc.open_stream(stream)
            rows = sum(rows_of(batch) for batch in reader)
        except ARROW_FAILURES as error:
            problem = str(error).partition("\n")[0] or type(error).__name__
            raise _invalid("chunk", f"the bytes are not a sound Arrow IPC stream: {problem}") from None
        if not stream.at_end():
            raise _invalid("chunk", "bytes follow the end of the Arrow IPC stream: send exactly one")
        if rows != sample.row_count:
            raise _invalid("sample.row_count", f"says {sample.row_count}, and the stream has {rows} rows")
        if sample.label_column and sample.label_column not in reader.schema.names:
            columns = ", ".join(reader.schema.names[:20])
            raise _invalid("sample.label_column", f"the stream has no column {sample.label_column!r}; it has {columns}")


def rows_of(batch: pa.RecordBatch) -> int:
    """Rows of an untrusted batch. Raises what a batch that is unsound raises, or ResourceExhausted for a large one."""
    if batch.nbytes > LARGEST_BATCH_IN_MEMORY_BYTES:
        raise ResourceExhausted(
            f"a record batch takes {batch.nbytes} bytes in memory, at most {LARGEST_BATCH_IN_MEMORY_BYTES} are "
            "accepted: take fewer rows",
            Reason.TOO_LARGE,
        )
    # The offsets and lengths in a batch are the caller's word; full validation looks at every one.
    batch.validate(full=True)
    rows: int = batch.num_rows
    return rows


def _invalid(path: str, problem: str) -> InvalidArgument:
    return InvalidArgument(f"{path}: {problem}", Reason.INVALID_DATA, [(path, problem)])

"""A dataset's rows as the bytes of one Arrow IPC stream, made batch by batch."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from msearch_client._artifacts import CHUNK_BYTES
from msearch_client._local_data import explain_sketch_errors
from msearch_sketch import Dataset


def encode_rows(dataset: Dataset) -> Iterator[bytes]:
    """The data columns of a dataset as an Arrow IPC stream, in pieces of at most 1 MiB. Labels stay here.

    Raises:
        LocalError: the data cannot be read.
    """
    sink = io.BytesIO()
    names = dataset.columns.names
    schema = pa.schema([dataset.schema.field(name) for name in names])
    with explain_sketch_errors(), pa.ipc.new_stream(sink, schema) as writer:
        for batch in dataset.batches(columns=names):
            writer.write_batch(batch)
            yield from _drain(sink)
    yield from _drain(sink)


def _drain(sink: io.BytesIO) -> Iterator[bytes]:
    written = sink.getvalue()
    sink.seek(0)
    sink.truncate()
    for start in range(0, len(written), CHUNK_BYTES):
        yield written[start : start + CHUNK_BYTES]


def readable_again(data: Any) -> bool:
    """Whether the data can be read a second time, which a stream cannot."""
    return not isinstance(data, (pa.RecordBatchReader, Iterator))

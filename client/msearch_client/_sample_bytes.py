"""An evaluation sample as bytes: its rows, or only their points in the feature space."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from msearch_client._artifacts import CHUNK_BYTES
from msearch_client._errors import LocalError
from msearch_client._local_data import explain_sketch_errors
from msearch_sketch import Dataset, FeatureSpace, project

LARGEST_BYTES = 64 << 20
MOST_ROWS = 100_000
POINT_COLUMN = "point"
SPACE_KEY = b"msearch.space_digest"


@dataclass(frozen=True, slots=True)
class SampleBytes:
    """One Arrow IPC stream, with its digest."""

    data: bytes
    digest: str

    def chunks(self) -> Iterator[bytes]:
        """The bytes in pieces of 1 MiB."""
        for start in range(0, len(self.data), CHUNK_BYTES):
            yield self.data[start : start + CHUNK_BYTES]


def encode_table(table: pa.Table) -> SampleBytes:
    """A table of any size as bytes."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    data = sink.getvalue().to_pybytes()
    return SampleBytes(data, hashlib.sha256(data).hexdigest())


def read_rows(dataset: Dataset, *, labels: bool) -> pa.Table:
    """The data columns of a dataset, and its label column if asked for; everything else stays where it is.

    Raises:
        LocalError: the data cannot be read, or has more than 100,000 rows.
    """
    names = [*dataset.columns.names, *([dataset.labels] if labels and dataset.labels else [])]
    batches, count = [], 0
    with explain_sketch_errors():
        for batch in dataset.batches(columns=names):
            count += batch.num_rows
            if count > MOST_ROWS:
                raise LocalError(
                    f"{dataset.name} has more than the {MOST_ROWS:,} rows that a sample may have",
                    hint="take fewer, with --limit-rows or limit_rows",
                )
            batches.append(batch)
    return pa.Table.from_batches(batches)


def encode_sample(dataset: Dataset, rows: pa.Table) -> SampleBytes:
    """The rows as they are.

    Raises:
        LocalError: they take more than 64 MiB.
    """
    return _encode(dataset.name, rows)


def encode_points(dataset: Dataset, space: FeatureSpace) -> SampleBytes:
    """The points of the rows, null where a row cannot be read, with their labels where the dataset has any.

    Raises:
        LocalError: the data cannot be read, or the points take more than 64 MiB.
    """
    with explain_sketch_errors():
        points = project(dataset, space)
    ticks = np.zeros((len(points.kept), points.ticks.shape[1]), np.int16)
    ticks[points.kept] = points.ticks
    columns: dict[str, Any] = {
        POINT_COLUMN: pa.FixedSizeListArray.from_arrays(
            pa.array(ticks.reshape(-1)), ticks.shape[1], mask=pa.array(~points.kept)
        )
    }
    if dataset.labels:
        columns[dataset.labels] = read_rows(dataset, labels=True).column(dataset.labels).combine_chunks()
    table = pa.table(columns).replace_schema_metadata({SPACE_KEY: space.digest.encode()})
    return _encode(dataset.name, table)


def _encode(name: str, table: pa.Table) -> SampleBytes:
    encoded = encode_table(table)
    if len(encoded.data) > LARGEST_BYTES:
        raise LocalError(
            f"{table.num_rows:,} rows of {name} take {len(encoded.data) / 2**20:,.1f} MiB, over the 64 MiB of a sample",
            hint="take fewer, with --limit-rows or limit_rows",
        )
    return encoded

"""A sample of a dataset's rows, for its owner to store with the service."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from msearch_client._artifacts import CHUNK_BYTES
from msearch_client._catalogue import DatasetSample
from msearch_client._errors import LocalError
from msearch_client._local_data import explain_sketch_errors
from msearch_sketch import Dataset

LARGEST_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class DrawnSample:
    """Rows as the bytes of one Arrow IPC stream, and what is said of them."""

    data: bytes
    description: DatasetSample

    def chunks(self) -> Iterator[bytes]:
        """The bytes in pieces of 1 MiB."""
        for start in range(0, len(self.data), CHUNK_BYTES):
            yield self.data[start : start + CHUNK_BYTES]


def draw_sample(dataset: Dataset, rows: int, seed: int) -> DrawnSample:
    """At most `rows` rows with their label column, in the order of the dataset; every choice is equally likely.

    Each row draws a number and the smallest ones win, so that a dataset larger than memory is read once.

    Raises:
        LocalError: the data cannot be read, `rows` is below 1, or the chosen rows are larger than 64 MiB.
    """
    if rows < 1:
        raise LocalError(f"a sample has at least 1 row, not {rows}")
    random = np.random.default_rng(seed)
    kept: pa.Table | None = None
    keys = np.empty(0)
    with explain_sketch_errors():
        for batch in dataset.batches():
            drawn = random.random(batch.num_rows)
            table = pa.Table.from_batches([batch])
            kept = table if kept is None else pa.concat_tables([kept, table])
            keys = np.append(keys, drawn)
            if len(keys) > rows:
                chosen = np.sort(np.argpartition(keys, rows)[:rows])
                kept, keys = kept.take(pa.array(chosen)), keys[chosen]
    if kept is None:
        raise LocalError(f"{dataset.name} has no rows")
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, kept.schema) as writer:
        writer.write_table(kept)
    data = sink.getvalue().to_pybytes()
    if len(data) > LARGEST_BYTES:
        raise LocalError(
            f"a sample of {kept.num_rows:,} rows of {dataset.name} takes {len(data) / 2**20:,.1f} MiB, over 64 MiB",
            hint="store fewer rows",
        )
    return DrawnSample(
        data,
        DatasetSample(
            digest=hashlib.sha256(data).hexdigest(),
            size_bytes=len(data),
            row_count=kept.num_rows,
            label_column=dataset.labels or "",
        ),
    )

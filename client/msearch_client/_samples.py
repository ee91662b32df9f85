"""A sample of a dataset's rows, for its owner to store with the service."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from msearch_client._catalogue import DatasetSample
from msearch_client._errors import LocalError
from msearch_client._local_data import explain_sketch_errors
from msearch_client._sample_bytes import LARGEST_BYTES, SampleBytes, encode_table
from msearch_sketch import Dataset


@dataclass(frozen=True, slots=True)
class DrawnSample:
    """Rows as bytes, and what is said of them."""

    encoded: SampleBytes
    description: DatasetSample


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
    encoded = encode_table(kept)
    size = len(encoded.data)
    if size > LARGEST_BYTES:
        raise LocalError(
            f"a sample of {kept.num_rows:,} rows of {dataset.name} takes {size / 2**20:,.1f} MiB, over 64 MiB",
            hint="store fewer rows",
        )
    return DrawnSample(
        encoded,
        DatasetSample(
            digest=encoded.digest,
            size_bytes=size,
            row_count=kept.num_rows,
            label_column=dataset.labels or "",
        ),
    )

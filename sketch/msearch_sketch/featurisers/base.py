"""What a featuriser is. One file each beside this one, with a module-level `FEATURISER`; entry point group
"msearch.featurisers" adds more.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from msearch_sketch.spaces import CLIP_TICKS, TICKS_PER_UNIT, FeatureSpace


@dataclass(frozen=True, slots=True)
class Columns:
    """Which columns of a dataset a featuriser reads, sorted by name. Labels and predictions are never among them.

    `types` are the canonical type names that enter the schema digest ("float", "integer", "boolean", "category",
    "string", "binary", "list<float>", "list<list<float>>", "struct", "vector[384]"), so that int32 and int64, or
    CSV and Parquet, give the same schema.
    """

    names: tuple[str, ...]
    types: tuple[str, ...]

    @property
    def schema(self) -> tuple[tuple[str, str], ...]:
        """Sorted (column, type) pairs."""
        return tuple(sorted(zip(self.names, self.types, strict=True)))


@dataclass(frozen=True, slots=True)
class FeatureBatch:
    """Features of the rows that could be read.

    `ticks` [m, d] int16, within +-CLIP_TICKS. `kept` [n] says which of the n input rows these are, in order.
    `problem` is the first reason why a row was skipped ("" if none was).
    """

    ticks: NDArray[np.int16]
    kept: NDArray[np.bool_]
    problem: str = ""


class Featuriser(Protocol):
    """Maps rows to integer features. Stateless; deterministic to the bit on every machine."""

    @property
    def name(self) -> str:
        """Name, e.g. "image-dct"."""

    @property
    def version(self) -> int:
        """Grows whenever the same row would give other features."""

    @property
    def modality(self) -> str:
        """The modality it reads."""

    def fixed_space(self, columns: Columns) -> FeatureSpace | None:
        """The data-independent space for these columns, or None where a space must be fitted on a first source."""

    def fit_space(self, columns: Columns, batches: Iterable[pa.RecordBatch]) -> FeatureSpace:
        """A space tied to the schema, its scaling fitted on these rows.

        Raises:
            SpaceError: this featuriser's space is not fitted, or the rows do not allow it (say, all missing).
        """

    def transform(self, batch: pa.RecordBatch, columns: Columns, space: FeatureSpace) -> FeatureBatch:
        """Features of a batch.

        Raises:
            SpaceError: the columns are not those the space is tied to.
            DatasetError: a column has a type that cannot be read at all; single bad rows are skipped instead.
        """


def to_ticks(units: NDArray[np.floating]) -> NDArray[np.int16]:
    """Rounds values in units to the grid and clips them. Any shape; NaN is not allowed."""
    ticks: NDArray[np.int16] = np.clip(np.rint(units * TICKS_PER_UNIT), -CLIP_TICKS, CLIP_TICKS).astype(np.int16)
    return ticks

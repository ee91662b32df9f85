"""Embeddings that the user brings: vectors of any model the user trusts.

Vectors are brought to unit length, so that the distance shows the angle, and above 64 dimensions projected on random
signs (Johnson & Lindenstrauss 1984; Achlioptas 2003). The space records the source dimension and, where the user
names it, the embedder: vectors of two embedders never compare by accident.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from msearch_sketch.errors import DatasetError, SpaceError
from msearch_sketch.featurisers.base import Columns, FeatureBatch, Featuriser, to_ticks
from msearch_sketch.randomness import draw_signs
from msearch_sketch.spaces import MOST_DIMENSIONS, FeatureSpace, FourierFeatures, HashFamily, Partitioning

DEFAULT = True

MOST_SOURCE_DIMENSIONS = 65_536
_LENGTH_UNITS = 2.0
_STEPS = float(1 << 18)  # the largest component of a vector: the squares of 65,536 such still add up below 2^53
_SEED, _SIGNS = 6, 1


class EmbeddingVector:
    """The vector itself, 2 units long.

    Parameters of the space: `source_dimension`; `unit_length`, false for vectors whose length carries meaning, which
    are then taken in units as they are; `embedder`, a name, "" if not told.
    """

    name = "embedding-vector"
    version = 1
    modality = "embedding"

    def fixed_space(self, columns: Columns) -> FeatureSpace:
        dimension = _source_dimension(columns)
        return FeatureSpace(
            modality="embedding",
            featuriser=f"{self.name}@{self.version}",
            parameters={"embedder": "", "source_dimension": dimension, "unit_length": True},
            dimension=min(dimension, MOST_DIMENSIONS),
            hashing=HashFamily(projections=4, widths_ticks=(512, 1024, 2048, 4096)),
            fourier=FourierFeatures(bandwidth_ticks=2048),
            partitioning=Partitioning(low_ticks=-1024, high_ticks=1024),
        )

    def fit_space(self, columns: Columns, batches: object) -> FeatureSpace:  # noqa: ARG002
        raise SpaceError("the space of embeddings is not fitted: it follows from their dimension")

    def transform(self, batch: pa.RecordBatch, columns: Columns, space: FeatureSpace) -> FeatureBatch:
        dimension, unit_length = _parameters(space)
        vectors, kept = _vectors(batch.column(columns.names[0]), columns.names[0], dimension)
        with np.errstate(invalid="ignore"):
            largest = np.abs(vectors).max(axis=1)
        usable = np.isfinite(largest) & ((largest > 0) | (not unit_length))
        problem = "" if kept.all() else "the vector is missing"
        if not usable.all():
            problem = problem or "the vector holds NaN or infinity, or has no length"
            kept[kept], vectors, largest = usable, vectors[usable], largest[usable]
        scale = np.where(largest > 0, largest, 1.0)
        steps = np.rint(vectors / scale[:, None] * _STEPS)
        squares = np.einsum("nd,nd->n", steps, steps)
        if dimension > MOST_DIMENSIONS:
            steps = steps @ _projection(dimension) / np.sqrt(space.dimension)
        lengths = _LENGTH_UNITS / np.sqrt(squares) if unit_length else scale / _STEPS
        return FeatureBatch(to_ticks(steps * lengths[:, None]), kept, problem)


def name_embedder(space: FeatureSpace, embedder: str) -> FeatureSpace:
    """The space of one embedder's vectors alone, apart from those of every other name."""
    return replace(space, parameters={**space.parameters, "embedder": embedder})


def _source_dimension(columns: Columns) -> int:
    kind = columns.types[0]
    digits = kind.removeprefix("vector[").removesuffix("]")
    if not digits.isdecimal() or not 1 <= int(digits) <= MOST_SOURCE_DIMENSIONS:
        raise SpaceError(
            f"{columns.names[0]} is {kind}; expected vectors of 1 to {MOST_SOURCE_DIMENSIONS} numbers each"
        )
    return int(digits)


def _parameters(space: FeatureSpace) -> tuple[int, bool]:
    dimension, unit_length = space.parameters.get("source_dimension"), space.parameters.get("unit_length")
    if type(dimension) is not int or not 1 <= dimension <= MOST_SOURCE_DIMENSIONS or type(unit_length) is not bool:
        raise SpaceError("the parameters of the embedding space lack source_dimension or unit_length")
    if space.dimension != min(dimension, MOST_DIMENSIONS):
        raise SpaceError(f"an embedding space of source dimension {dimension} cannot have dimension {space.dimension}")
    return dimension, unit_length


def _vectors(column: pa.Array, name: str, dimension: int) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Vectors that are present, [m, dimension], and which of the rows those are, [n]. A missing component is NaN."""
    kind = column.type
    if not (pa.types.is_fixed_size_list(kind) or pa.types.is_list(kind) or pa.types.is_large_list(kind)):
        raise DatasetError(f"the column {name} must hold lists of numbers, not {kind}")
    if not (pa.types.is_floating(kind.value_type) or pa.types.is_integer(kind.value_type)):
        raise DatasetError(f"the column {name} must hold lists of numbers, not {kind}")
    kept = np.array(column.is_valid().to_numpy(zero_copy_only=False), np.bool_)
    lengths = pc.list_value_length(column).drop_null().to_numpy()
    if (lengths != dimension).any():
        odd = int(lengths[lengths != dimension][0])
        raise SpaceError(f"the space is for vectors of {dimension} numbers, the column {name} holds one of {odd}")
    values = column.drop_null().flatten().cast(pa.float64()).to_numpy(zero_copy_only=False)
    return values.reshape(-1, dimension), kept


@lru_cache(maxsize=8)
def _projection(dimension: int) -> NDArray[np.float64]:
    return draw_signs(_SEED, _SIGNS, (dimension, MOST_DIMENSIONS)).astype(np.float64)


FEATURISER: Featuriser = EmbeddingVector()

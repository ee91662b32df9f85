"""100,000 source datasets in a minute or two: rows from nested Gaussian clusters, signed by the real hash family.

A registry has domains, and within a domain kinds of data that resemble each other. Here a domain is a point and a few
directions, a cluster a Gaussian within these directions, plus a little noise in all; a dataset draws its rows from one
to three clusters of one domain, and is shifted as a whole by an amount of its own. Some domains are far more popular
than others. The same seed gives the same datasets; rows are made afresh, chunk by chunk, and not kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from msearch_sketch.hashing import GAUSSIAN_UNIT, bucket_keys, projections
from msearch_sketch.signature import Signature
from msearch_sketch.spaces import CLIP_TICKS, TICKS_PER_UNIT, FeatureSpace

DIMENSION = 32
SPACE = FeatureSpace(modality="embedding", featuriser="benchmark@1", dimension=DIMENSION)
ROWS = 256

_DOMAINS = 100
_CLUSTERS = 20  # a domain
_DIRECTIONS = 8  # a domain
_DOMAIN_SPREAD = 0.4  # units in each dimension, as are all below
_CLUSTER_SPREAD = 0.08
_ROW_SPREAD = 0.08
_NOISE = 0.04
_LARGEST_SHIFT = 0.08


@dataclass(frozen=True, slots=True)
class Chunk:
    """n datasets of r rows each: `rows` [n, r, d] in ticks, int16."""

    rows: NDArray[np.int16]

    def signatures(self) -> list[Signature]:
        """Their signatures: hash keys, moments, and nothing that the index does not look at."""
        return sign(self.rows)


class Universe:
    """Where datasets come from."""

    def __init__(self, seed: int = 7) -> None:
        generator = np.random.default_rng(seed)
        domains = generator.normal(0, _DOMAIN_SPREAD, (_DOMAINS, 1, DIMENSION))
        bases = generator.normal(0, 1, (_DOMAINS, _DIRECTIONS, DIMENSION))
        places = generator.normal(0, _CLUSTER_SPREAD, (_DOMAINS, _CLUSTERS, _DIRECTIONS))
        self._seed = seed
        self._centres = (domains + places @ bases).astype(np.float32)
        self._bases = (_ROW_SPREAD * bases).astype(np.float32)
        popularity = 1 / np.sqrt(np.arange(1, _DOMAINS + 1))
        self._popularity = popularity / popularity.sum()

    def datasets(self, count: int, chunk: int = 1000, rows: int = ROWS, stream: int = 0) -> Iterator[Chunk]:
        """`count` datasets, `chunk` at a time."""
        for number in range(0, count, chunk):
            generator = np.random.default_rng([self._seed, stream, number])
            yield Chunk(self._draw(generator, min(chunk, count - number), rows))

    def _draw(self, generator: np.random.Generator, count: int, rows: int) -> NDArray[np.int16]:
        domain = generator.choice(_DOMAINS, count, p=self._popularity)
        own = generator.integers(0, _CLUSTERS, (count, 3))
        used = generator.integers(1, 4, count)
        pick = generator.integers(0, used[:, None], (count, rows))
        cluster = np.take_along_axis(own, pick, axis=1)
        features = self._centres[domain[:, None], cluster]
        features += generator.normal(0, _NOISE, features.shape).astype(np.float32)
        shifts = generator.normal(0, 1, (count, 1, DIMENSION)) * generator.uniform(0, _LARGEST_SHIFT, (count, 1, 1))
        features += shifts.astype(np.float32)
        loads = generator.standard_normal((count, rows, _DIRECTIONS), np.float32)
        features += loads @ self._bases[domain]
        return np.clip(np.rint(features * TICKS_PER_UNIT), -CLIP_TICKS, CLIP_TICKS).astype(np.int16)


def sign(rows: NDArray[np.int16]) -> list[Signature]:
    """Signatures of n datasets [n, r, d] with the arrays that no index reads left empty."""
    count, rows_each, dimension = rows.shape
    family = SPACE.hashing
    flat = rows.reshape(-1, dimension)
    directions, offsets = projections(family, dimension)
    positions = (flat.astype(np.float64) @ directions + offsets).astype(np.int64)
    shifts = np.array([(width * GAUSSIAN_UNIT).bit_length() - 1 for width in family.widths_ticks])
    keys = _mix(positions, shifts, family.tables, rows_each)  # [n, R, L, r]
    if not np.array_equal(keys[0, :, :, 0], bucket_keys(flat[:1], family)[0]):
        raise RuntimeError("the benchmark's hashing differs from msearch_sketch.hashing; adapt _mix")
    keys.sort(axis=-1)
    sums = flat.reshape(count, rows_each, dimension).sum(axis=1, dtype=np.int64)
    empty = {
        "square_sums": np.zeros(dimension, np.int64),
        "fourier_sums": np.zeros(2 * SPACE.fourier.features, np.int64),
        "partitions": np.zeros((0, 16, 16), np.uint32),
        "centroids": np.empty((0, dimension), np.int16),
        "centroid_weights": np.empty(0, np.uint32),
        "centroid_classes": np.empty(0, np.int16),
        "class_counts": np.empty(0, np.int64),
    }
    signatures = []
    for source in range(count):
        levels, table_offsets, distinct, counts = _distinct(keys[source], family.key_budget)
        signatures.append(
            Signature(
                space_digest=SPACE.digest,
                schema_digest="",
                row_count=rows_each,
                resolutions=len(levels),
                levels=levels,
                table_offsets=table_offsets,
                keys=distinct,
                key_counts=counts,
                sums=sums[source],
                **empty,
            )
        )
    return signatures


@numba.njit(cache=True)
def _mix(
    positions: NDArray[np.int64], shifts: NDArray[np.int64], tables: int, rows: int
) -> NDArray[np.uint32]:  # pragma: no cover - compiled
    count = positions.shape[0] // rows
    projected = positions.shape[1] // tables
    keys = np.empty((count, shifts.size, tables, rows), np.uint32)
    for source in range(count):
        for row in range(rows):
            position = positions[source * rows + row]
            for resolution in range(shifts.size):
                for table in range(tables):
                    state = np.uint32(table + (resolution << 16))
                    for k in range(projected):
                        word = np.uint32(position[table * projected + k] >> shifts[resolution])
                        word = np.uint32(word * np.uint32(0xCC9E2D51))
                        word = np.uint32((word << np.uint32(15)) | (word >> np.uint32(17)))
                        state = np.uint32(state ^ np.uint32(word * np.uint32(0x1B873593)))
                        state = np.uint32((state << np.uint32(13)) | (state >> np.uint32(19)))
                        state = np.uint32(state * np.uint32(5) + np.uint32(0xE6546B64))
                    state = np.uint32(state ^ np.uint32(4 * projected))
                    state = np.uint32((state ^ (state >> np.uint32(16))) * np.uint32(0x85EBCA6B))
                    state = np.uint32((state ^ (state >> np.uint32(13))) * np.uint32(0xC2B2AE35))
                    keys[source, resolution, table, row] = state ^ (state >> np.uint32(16))
    return keys


@numba.njit(cache=True)
def _distinct(
    keys: NDArray[np.uint32], budget: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint32], NDArray[np.uint32], NDArray[np.uint32]]:  # pragma: no cover
    """Levels [R], offsets [T + 1], distinct keys and counts of sorted keys [R, L, r], thinned to the budget."""
    resolutions, tables, rows = keys.shape
    levels = np.zeros(resolutions, np.uint8)
    offsets = np.zeros(resolutions * tables + 1, np.uint32)
    distinct = np.empty(keys.size, np.uint32)
    counts = np.empty(keys.size, np.uint32)
    at = 0
    for resolution in range(resolutions):
        at_level = np.zeros(33, np.int64)
        for table in range(tables):
            for row in range(rows):
                key = keys[resolution, table, row]
                if row == 0 or key != keys[resolution, table, row - 1]:
                    zeros = 0
                    while zeros < 32 and (np.int64(key) >> zeros) & 1 == 0:
                        zeros += 1
                    at_level[zeros] += 1
        level = 0
        kept = at_level.sum()
        while kept > budget:
            kept -= at_level[level]
            level += 1
        levels[resolution] = level
        mask = (1 << level) - 1
        for table in range(tables):
            for row in range(rows):
                key = keys[resolution, table, row]
                if key & mask:
                    continue
                if row > 0 and key == keys[resolution, table, row - 1]:
                    counts[at - 1] += 1
                else:
                    distinct[at] = key
                    counts[at] = 1
                    at += 1
            offsets[resolution * tables + table + 1] = at
    return levels, offsets, distinct[:at].copy(), counts[:at].copy()

"""Builders of signatures for tests: any valid one, and those of rows drawn from clustered families."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msearch_sketch.fourier import fourier_sums
from msearch_sketch.hashing import bucket_keys
from msearch_sketch.signature import Signature, Validation
from msearch_sketch.spaces import TICKS_PER_UNIT, FeatureSpace

SPACE = FeatureSpace(modality="embedding", featuriser="test@1", dimension=6)
DIGEST = "ab" * 32


def blank_signature(**fields: Any) -> Signature:
    """A valid signature of one row with nothing in its arrays but what `fields` says."""
    dimension = fields.pop("dimension", 2)
    values: dict[str, Any] = {
        "space_digest": DIGEST,
        "schema_digest": "",
        "row_count": 1,
        "resolutions": 1,
        "levels": np.zeros(1, np.uint8),
        "table_offsets": np.zeros(2, np.uint32),
        "keys": np.empty(0, np.uint32),
        "key_counts": np.empty(0, np.uint32),
        "sums": np.zeros(dimension, np.int64),
        "square_sums": np.zeros(dimension, np.int64),
        "fourier_sums": np.zeros(4, np.int64),
        "partitions": np.zeros((0, 1, 2), np.uint32),
        "centroids": np.empty((0, dimension), np.int16),
        "centroid_weights": np.empty(0, np.uint32),
        "centroid_classes": np.empty(0, np.int16),
        "class_counts": np.empty(0, np.int64),
    }
    return Signature(**(values | fields))


def keyed_signature(tables: Sequence[dict[int, int]], levels: Sequence[int] = (0,), **fields: Any) -> Signature:
    """A signature with these buckets {key: count}, table by table, resolution by resolution."""
    keys = [sorted(table) for table in tables]
    counts = [[table[key] for key in kept] for table, kept in zip(tables, keys, strict=True)]
    most = max((sum(part) for part in counts), default=0)
    return blank_signature(
        row_count=fields.pop("row_count", max(most, 1)),
        resolutions=len(levels),
        levels=np.array(levels, np.uint8),
        table_offsets=np.cumsum([0, *map(len, keys)]).astype(np.uint32),
        keys=np.array([key for part in keys for key in part], np.uint32),
        key_counts=np.array([count for part in counts for count in part], np.uint32),
        **fields,
    )


def random_keyed_signature(
    generator: np.random.Generator, resolutions: int, tables: int, pool: NDArray[np.uint32], **fields: Any
) -> Signature:
    """Random buckets from a pool of keys, with random sampling levels; some tables are empty."""
    levels = generator.integers(0, 3, resolutions)
    filled: list[dict[int, int]] = []
    for table in range(resolutions * tables):
        chosen = generator.choice(pool, generator.integers(0, pool.size + 1), replace=False)
        kept = chosen[chosen % (1 << int(levels[table // tables])) == 0]
        filled.append({int(key): int(generator.integers(1, 50)) for key in kept})
    return keyed_signature(filled, levels.tolist(), **fields)


def sketched(
    rows: NDArray[np.int64], space: FeatureSpace = SPACE, labels: NDArray[np.int64] | None = None
) -> Signature:
    """A plain, slow signature of rows in ticks [n, d]; its coreset is every `least_rows`-th row."""
    levels, tables = _tables(bucket_keys(rows, space.hashing), space.hashing.key_budget)
    chosen = rows[:: space.coreset.least_rows][: min(space.coreset.centroids, len(rows) // space.coreset.least_rows)]
    classes = () if labels is None else tuple(f"class {label}" for label in range(int(labels.max()) + 1))
    centroid_classes = np.full(len(chosen), -1, np.int16)
    if labels is not None:
        centroid_classes = labels[:: space.coreset.least_rows][: len(chosen)].astype(np.int16)
    return replace(
        keyed_signature(tables, levels),
        space_digest=space.digest,
        row_count=len(rows),
        sums=rows.sum(axis=0),
        square_sums=(rows**2).sum(axis=0),
        fourier_sums=fourier_sums(rows, space.fourier),
        partitions=_partitions(rows, space),
        centroids=chosen.astype(np.int16),
        centroid_weights=np.full(len(chosen), space.coreset.least_rows, np.uint32),
        centroid_classes=centroid_classes,
        classes=classes,
        class_counts=np.bincount(labels, minlength=len(classes)) if labels is not None else np.empty(0, np.int64),
    )


def family(
    generator: np.random.Generator, count: int, rows: int = 96, clusters: int = 6, space: FeatureSpace = SPACE
) -> list[Signature]:
    """Signatures of datasets of one to three times `rows` rows, each from one to three of a few Gaussian clusters.

    Rows of a cluster follow each other, so partitions differ within a dataset.
    """
    centres = generator.normal(0.0, 1.2, (clusters, space.dimension))
    signatures = []
    for _ in range(count):
        own = generator.choice(clusters, generator.integers(1, 4), replace=False)
        picked = np.sort(generator.choice(own, rows * int(generator.integers(1, 4))))
        features = centres[picked] + generator.normal(0.0, 0.3, (len(picked), space.dimension))
        signatures.append(sketched(np.rint(features * TICKS_PER_UNIT).astype(np.int64), space))
    return signatures


def validated(signature: Signature, accuracy: float, count: int = 100) -> Signature:
    """The signature with validation statistics of that accuracy."""
    right = round(accuracy * count)
    validation = Validation(
        accuracy=accuracy,
        count=count,
        temperature=1.0,
        mean_confidence=0.8,
        atc_threshold=-0.5,
        confidence_counts=(*(0,) * 14, count),
        confidence_correct=(*(0,) * 14, right),
    )
    return replace(signature, validation=validation)


def _tables(keys: NDArray[np.uint32], budget: int) -> tuple[list[int], list[dict[int, int]]]:
    levels, tables = [], []
    for resolution in range(keys.shape[1]):
        level = 0
        while True:
            kept = [column[column % (1 << level) == 0] for column in keys[:, resolution].T]
            counted = [dict(zip(*map(np.ndarray.tolist, np.unique(k, return_counts=True)), strict=True)) for k in kept]
            if sum(map(len, counted)) <= budget:
                break
            level += 1
        levels.append(level)
        tables += counted
    return levels, tables


def _partitions(rows: NDArray[np.int64], space: FeatureSpace) -> NDArray[np.uint32]:
    rule = space.partitioning
    dimensions = min(rule.dimensions, space.dimension)
    width = (rule.high_ticks - rule.low_ticks) / rule.bins
    bins = np.clip((rows[:, :dimensions] - rule.low_ticks) // width, 0, rule.bins - 1).astype(np.int64)
    parts = [bins[first : first + rule.rows] for first in range(0, len(rows), rule.rows)][: rule.most]
    one_hot = [np.stack([(part == value).sum(axis=0) for value in range(rule.bins)], axis=1) for part in parts]
    return np.array(one_hot, np.uint32)

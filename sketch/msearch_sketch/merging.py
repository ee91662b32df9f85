"""The signature of the union of datasets that share no row, from their signatures alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from msearch_sketch.coreset import Coreset, build_coreset
from msearch_sketch.errors import SignatureError
from msearch_sketch.key_tables import KeyTables
from msearch_sketch.partition_histograms import add_neighbours
from msearch_sketch.signature import Signature
from msearch_sketch.sketcher import MOST_ROWS, flatten_tables
from msearch_sketch.spaces import FeatureSpace


def merge(signatures: Sequence[Signature], space: FeatureSpace) -> Signature:
    """Merges signatures of row-disjoint parts.

    Row count, keys with their counts, moments and Fourier sums are those of the union, exactly. Partition histograms
    are the parts' own, one after the other, neighbours added until they fit; they equal those of the concatenated
    rows where each part but the last fills its partitions. The coreset is approximate: the parts' centroids are
    clustered anew, class by class. Validation statistics cannot be merged and are left out.

    Args:
        signatures: at least one, all of `space`.
        space: the feature space.

    Raises:
        SignatureError: there is none, one is of another space, or the union has too many rows.
    """
    if not signatures:
        raise SignatureError("there is no signature to merge")
    for signature in signatures:
        signature.check_space(space)
    rows = sum(signature.row_count for signature in signatures)
    if rows > MOST_ROWS:
        raise SignatureError(f"the union has {rows} rows, at most {MOST_ROWS} can be counted")
    levels, offsets, keys, key_counts = flatten_tables(_merge_keys(signatures, space))
    classes = _merge_classes(signatures)
    coreset = _merge_coresets(signatures, space, classes)
    return Signature(
        space_digest=space.digest,
        schema_digest=space.schema_digest,
        row_count=rows,
        resolutions=len(levels),
        levels=levels,
        table_offsets=offsets,
        keys=keys,
        key_counts=key_counts,
        sums=np.sum([signature.sums for signature in signatures], axis=0),
        square_sums=np.sum([signature.square_sums for signature in signatures], axis=0),
        fourier_sums=np.sum([signature.fourier_sums for signature in signatures], axis=0),
        partitions=_merge_partitions([signature.partitions for signature in signatures], space.partitioning.most),
        centroids=coreset.centroids,
        centroid_weights=coreset.weights.astype(np.uint32),
        centroid_classes=coreset.classes,
        classes=classes,
        class_counts=_merge_class_counts(signatures, classes),
    )


def _merge_keys(signatures: Sequence[Signature], space: FeatureSpace) -> list[KeyTables]:
    tables = space.hashing.tables
    resolutions = [KeyTables(tables, space.hashing.key_budget) for _ in space.hashing.widths_ticks]
    for signature in signatures:
        offsets = signature.table_offsets.astype(np.int64)
        keys = np.split(signature.keys, offsets[1:-1])
        counts = np.split(signature.key_counts.astype(np.int64), offsets[1:-1])
        for resolution, merged in enumerate(resolutions):
            own = slice(resolution * tables, (resolution + 1) * tables)
            merged.add_counted(int(signature.levels[resolution]), keys[own], counts[own])
    return resolutions


def _merge_partitions(parts: list[NDArray[np.uint32]], most: int) -> NDArray[np.uint32]:
    """Parts of finer partitions are coarsened to the coarsest, then all are put together."""
    histograms = [part.astype(np.int64) for part in parts if len(part)]
    if not histograms:
        return parts[0]
    sizes = [int(part[0, 0].sum()) for part in histograms]
    coarsest = max(size for size, part in zip(sizes, histograms, strict=True) if len(part) > 1 or size == max(sizes))
    merged = np.concatenate([_coarsen(part, size, coarsest) for part, size in zip(histograms, sizes, strict=True)])
    while len(merged) > most:
        merged = add_neighbours(merged)
    return merged.astype(np.uint32)


def _coarsen(part: NDArray[np.int64], size: int, wanted: int) -> NDArray[np.int64]:
    while 2 * size <= wanted and len(part) > 1:
        part = add_neighbours(part)
        size *= 2
    return part


def _merge_classes(signatures: Sequence[Signature]) -> tuple[str, ...]:
    return tuple(sorted({name for signature in signatures for name in signature.classes}))


def _merge_class_counts(signatures: Sequence[Signature], classes: tuple[str, ...]) -> NDArray[np.int64]:
    place = {name: index for index, name in enumerate(classes)}
    counts = np.zeros(len(classes), np.int64)
    for signature in signatures:
        for name, count in zip(signature.classes, signature.class_counts.tolist(), strict=True):
            counts[place[name]] += count
    return counts


def _merge_coresets(signatures: Sequence[Signature], space: FeatureSpace, classes: tuple[str, ...]) -> Coreset:
    place = {name: index for index, name in enumerate(classes)}
    ticks = np.concatenate([signature.centroids for signature in signatures])
    weights = np.concatenate([signature.centroid_weights for signature in signatures]).astype(np.int64)
    # The last entry is reached by index -1, the unlabelled.
    renumbered = [np.array([*(place[name] for name in s.classes), -1])[s.centroid_classes] for s in signatures]
    labels = np.concatenate(renumbered).astype(np.int32)
    order = np.lexsort((labels, *ticks.T))  # so that the order of the signatures does not matter
    return build_coreset(ticks[order], labels[order], weights[order], int(weights.sum()), space.coreset)

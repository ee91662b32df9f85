"""From rows of features to a signature, in one pass and bounded memory."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from msearch_sketch.coreset import build_coreset
from msearch_sketch.errors import DatasetError
from msearch_sketch.fourier import fourier_sums
from msearch_sketch.hashing import bucket_keys
from msearch_sketch.key_tables import KeyTables
from msearch_sketch.partition_histograms import PartitionHistograms
from msearch_sketch.row_sample import UNLABELLED, RowSample
from msearch_sketch.signature import Signature, Validation
from msearch_sketch.spaces import FeatureSpace

MOST_ROWS = 2**31 - 1
MOST_CLASSES = 2**15 - 1
_CHUNK_ROWS = 4096  # rows worked on at once


class Sketcher:
    """Accumulates rows of one feature space.

    The signature does not depend on how the rows were cut into batches. Apart from the partition histograms it does
    not depend on their order either.
    """

    def __init__(self, space: FeatureSpace) -> None:
        self.space = space
        hashing = space.hashing
        self._rows = 0
        self._tables = [KeyTables(hashing.tables, hashing.key_budget) for _ in hashing.widths_ticks]
        self._sums = np.zeros(space.dimension, np.int64)
        self._square_sums = np.zeros(space.dimension, np.int64)
        self._fourier_sums = np.zeros(2 * space.fourier.features, np.int64)
        self._partitions = PartitionHistograms(space.partitioning, space.dimension)
        self._sample = RowSample(space.dimension, space.coreset.sample_rows)
        self._class_counts = np.zeros(0, np.int64)

    @property
    def rows(self) -> int:
        """Rows added so far."""
        return self._rows

    def add(self, ticks: NDArray[np.int16], classes: NDArray[np.integer] | None = None) -> None:
        """Adds the next rows.

        Args:
            ticks: features on the grid of the space, [n, d].
            classes: index of each row's class, -1 where unknown, [n]; None where no row is labelled.

        Raises:
            DatasetError: there are more rows or classes than a signature can count.
        """
        if ticks.ndim != 2 or ticks.shape[1] != self.space.dimension:
            raise ValueError(f"expected rows of {self.space.dimension} features, not an array of shape {ticks.shape}")
        labels = np.full(len(ticks), UNLABELLED, np.int32) if classes is None else classes.astype(np.int32)
        if len(labels) != len(ticks):
            raise ValueError(f"{len(ticks)} rows have {len(labels)} classes")
        if self._rows + len(ticks) > MOST_ROWS:
            raise DatasetError(f"the dataset has more than {MOST_ROWS} rows; sketch a part of it (limit=)")
        if len(labels) and int(labels.max()) >= MOST_CLASSES:
            raise DatasetError(f"the labels have more than {MOST_CLASSES} distinct values; are they classes?")
        for start in range(0, len(ticks), _CHUNK_ROWS):
            self._add_chunk(ticks[start : start + _CHUNK_ROWS], labels[start : start + _CHUNK_ROWS])

    def _add_chunk(self, ticks: NDArray[np.int16], classes: NDArray[np.int32]) -> None:
        keys = bucket_keys(ticks, self.space.hashing)
        for resolution, tables in enumerate(self._tables):
            tables.add_rows(keys[:, resolution])
        wide = ticks.astype(np.int64)
        self._sums += wide.sum(axis=0)
        self._square_sums += (wide * wide).sum(axis=0)
        self._fourier_sums += fourier_sums(ticks, self.space.fourier)
        self._partitions.add(ticks)
        self._sample.add(ticks, classes)
        self._rows += len(ticks)
        counts = np.bincount(classes[classes >= 0], minlength=len(self._class_counts))
        counts[: len(self._class_counts)] += self._class_counts
        self._class_counts = counts

    def signature(self, classes: tuple[str, ...] = (), validation: Validation | None = None) -> Signature:
        """The signature of the rows added so far; more may be added afterwards.

        Args:
            classes: distinct names of the classes, by index; empty where the dataset has no labels. The signature
                lists them in alphabetical (code point) order, so that the order of their discovery leaves no trace.
            validation: how the model did on these rows, if known.

        Raises:
            DatasetError: no row was added.
        """
        if not self._rows:
            raise DatasetError("there is no row to sketch")
        if len(classes) < len(self._class_counts) or len(set(classes)) != len(classes):
            raise ValueError(f"{len(self._class_counts)} classes were added, the names are {classes}")
        order = sorted(range(len(classes)), key=classes.__getitem__)
        place = np.append(np.argsort(order), UNLABELLED).astype(np.int32)  # index -1 reaches the last entry
        class_counts = np.zeros(len(classes), np.int64)
        class_counts[place[: len(self._class_counts)]] = self._class_counts
        ticks, labels, counts = self._sample.rows()
        coreset = build_coreset(ticks, place[labels], counts, self._rows, self.space.coreset)
        levels, offsets, keys, key_counts = flatten_tables(self._tables)
        return Signature(
            space_digest=self.space.digest,
            schema_digest=self.space.schema_digest,
            row_count=self._rows,
            resolutions=len(self._tables),
            levels=levels,
            table_offsets=offsets,
            keys=keys,
            key_counts=key_counts,
            sums=self._sums.copy(),
            square_sums=self._square_sums.copy(),
            fourier_sums=self._fourier_sums.copy(),
            partitions=self._partitions.counts(),
            centroids=coreset.centroids,
            centroid_weights=coreset.weights.astype(np.uint32),
            centroid_classes=coreset.classes,
            classes=tuple(classes[index] for index in order),
            class_counts=class_counts,
            validation=validation,
        )


def flatten_tables(
    resolutions: list[KeyTables],
) -> tuple[NDArray[np.uint8], NDArray[np.uint32], NDArray[np.uint32], NDArray[np.uint32]]:
    """Levels, table offsets, keys and counts as a signature holds them."""
    keys = [table for tables in resolutions for table in tables.keys]
    counts = [table for tables in resolutions for table in tables.counts]
    offsets = np.cumsum([0, *map(len, keys)]).astype(np.uint32)
    levels = np.array([tables.level for tables in resolutions], np.uint8)
    return levels, offsets, np.concatenate(keys), np.concatenate(counts).astype(np.uint32)

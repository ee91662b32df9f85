"""Histograms of consecutive rows over bin edges that the space fixes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from msearch_sketch.spaces import Partitioning


class PartitionHistograms:
    """One histogram per feature for each run of consecutive rows; the only part that depends on the rows' order.

    A partition starts at `rules.rows` rows. Whenever there would be more than `rules.most` of them, neighbours are
    added up in pairs and the partition size doubles, so the whole file is covered in bounded memory.
    """

    def __init__(self, rules: Partitioning, dimension: int) -> None:
        self._rules = rules
        self._dimensions = min(rules.dimensions, dimension)
        self._size = rules.rows
        self._rows = 0
        self._counts = np.zeros((rules.most, self._dimensions, rules.bins), np.int64)

    def add(self, ticks: NDArray[np.int16]) -> None:
        """Adds the next rows. [n, d]"""
        if not len(ticks):
            return
        while (self._rows + len(ticks) - 1) // self._size >= self._rules.most:
            merged = add_neighbours(self._counts)
            self._counts = np.zeros_like(self._counts)
            self._counts[: len(merged)] = merged
            self._size *= 2
        partitions = np.arange(self._rows, self._rows + len(ticks)) // self._size
        features = np.arange(self._dimensions)
        bins = bin_ticks(ticks[:, : self._dimensions], self._rules)
        cells = (partitions[:, None] * self._dimensions + features) * self._rules.bins + bins
        self._counts += np.bincount(cells.ravel(), minlength=self._counts.size).reshape(self._counts.shape)
        self._rows += len(ticks)

    def counts(self) -> NDArray[np.uint32]:
        """Counts of the partitions that hold rows, the last perhaps fewer than the others. [P, dimensions, bins]"""
        return self._counts[: -(-self._rows // self._size)].astype(np.uint32)


def bin_ticks(ticks: NDArray[np.integer], rules: Partitioning) -> NDArray[np.int64]:
    """Bins of equal width over [low, high), the outer ones open-ended. Any shape."""
    span = rules.high_ticks - rules.low_ticks
    bins = (ticks.astype(np.int64) - rules.low_ticks) * rules.bins // span
    return np.clip(bins, 0, rules.bins - 1)


def add_neighbours(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Adds partitions in pairs; an odd last one stays alone. [P, ...] to [ceil(P / 2), ...]"""
    return np.add.reduceat(counts, np.arange(0, len(counts), 2), axis=0)

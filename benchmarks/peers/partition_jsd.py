"""Partition adaptivity: histograms of 64 rows, one matrix product as Hellinger filter, survivors verified."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from msearch_sketch.spaces import Partitioning
from search_service.scores._partitions import TAU, jensen_shannon

_RULE = Partitioning()


class PartitionJsd:
    """Square-root histograms of all partitions of all sources, in float32."""

    name = "partition JSD"
    most_sources = 100_000

    def __init__(self) -> None:
        self._chunks: list[NDArray[np.float32]] = []

    def add(self, rows: NDArray[np.int16]) -> None:
        self._parts = rows.shape[1] // _RULE.rows
        self._chunks.append(_root_histograms(rows[:, : self._parts * _RULE.rows]))

    def finish(self) -> None:
        self._roots = np.concatenate(self._chunks)
        self._chunks.clear()

    def scores(self, target: NDArray[np.int16]) -> NDArray[np.float64]:
        own = _root_histograms(target[None, : len(target) // _RULE.rows * _RULE.rows])
        squared = 1 - own @ self._roots.T
        similar = squared <= TAU
        rows, columns = np.nonzero(~similar & (squared <= TAU / np.log(2) + 1e-5))
        for first in range(0, len(rows), 4096):
            row, column = rows[first : first + 4096], columns[first : first + 4096]
            pairs = own[row].astype(np.float64) ** 2, self._roots[column].astype(np.float64) ** 2
            similar[row, column] = jensen_shannon(*pairs) <= TAU
        covered: NDArray[np.float64] = similar.reshape(len(own), -1, self._parts).any(axis=2).mean(axis=0)
        return covered

    def size_bytes(self) -> int:
        return self._roots.nbytes


def _root_histograms(rows: NDArray[np.int16]) -> NDArray[np.float32]:
    """[n, r, d] to [n r / 64, dimensions bins]."""
    dimensions = min(_RULE.dimensions, rows.shape[2])
    width = (_RULE.high_ticks - _RULE.low_ticks) // _RULE.bins
    bins = np.clip((rows[:, :, :dimensions] - np.int16(_RULE.low_ticks)) // np.int16(width), 0, _RULE.bins - 1)
    flat = bins.reshape(-1, _RULE.rows, dimensions).astype(np.int64) + _RULE.bins * np.arange(dimensions)
    cells = dimensions * _RULE.bins
    counts = np.bincount((flat + cells * np.arange(len(flat))[:, None, None]).ravel(), minlength=len(flat) * cells)
    return np.sqrt(counts.reshape(-1, cells) / (_RULE.rows * dimensions), dtype=np.float32)

"""FAISS flat: exact L2 search over the datasets' means."""

from __future__ import annotations

import faiss
import numpy as np
from numpy.typing import NDArray

from msearch_sketch.spaces import TICKS_PER_UNIT


class MeanL2:
    """One vector per source."""

    name = "FAISS flat over means"
    most_sources = 100_000

    def __init__(self) -> None:
        faiss.omp_set_num_threads(1)
        self._index: faiss.IndexFlatL2 | None = None

    def add(self, rows: NDArray[np.int16]) -> None:
        if self._index is None:
            self._index = faiss.IndexFlatL2(rows.shape[2])
        self._index.add((rows.mean(axis=1) / TICKS_PER_UNIT).astype(np.float32))

    def finish(self) -> None:
        self._positions = np.arange(self._held().ntotal)

    def scores(self, target: NDArray[np.int16]) -> NDArray[np.float64]:
        """All sources, to judge the quality; slower than `nearest_ten`, which is what is timed."""
        distances, places = self._held().search(_mean(target), self._held().ntotal)
        values = np.empty(self._held().ntotal)
        values[places[0]] = -distances[0]
        return values

    def nearest_ten(self, target: NDArray[np.int16]) -> NDArray[np.int64]:
        """What FAISS is made for: the ten nearest."""
        places: NDArray[np.int64] = self._held().search(_mean(target), 10)[1][0]
        return places

    def size_bytes(self) -> int:
        return int(self._held().ntotal * self._held().d * 4)

    def _held(self) -> faiss.IndexFlatL2:
        if self._index is None:
            raise RuntimeError("add sources first")
        return self._index


def _mean(target: NDArray[np.int16]) -> NDArray[np.float32]:
    return (target.mean(axis=0, keepdims=True) / TICKS_PER_UNIT).astype(np.float32)

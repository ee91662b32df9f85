"""Brute force over rows: the share of target rows with a source row within a radius. The truth the others approximate.

The radius is the target's own scale: the median distance of its rows to their fifth nearest row.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_NEIGHBOUR = 5
_ROWS_AT_ONCE = 1 << 14


class RowCoverage:
    """Every row of every source, in float32."""

    name = "row coverage, brute force"
    most_sources = 5_000

    def __init__(self) -> None:
        self._chunks: list[NDArray[np.float32]] = []

    def add(self, rows: NDArray[np.int16]) -> None:
        self._chunks.append(rows.astype(np.float32))

    def finish(self) -> None:
        self._each = self._chunks[0].shape[1]
        self._rows = np.concatenate([chunk.reshape(-1, chunk.shape[2]) for chunk in self._chunks])
        self._squares = np.einsum("rd,rd->r", self._rows, self._rows)
        self._chunks.clear()

    def scores(self, target: NDArray[np.int16]) -> NDArray[np.float64]:
        points = target.astype(np.float32)
        squares = np.einsum("rd,rd->r", points, points)
        own = squares[:, None] + squares - 2 * points @ points.T
        reach = np.median(np.sort(own, axis=1)[:, _NEIGHBOUR])
        values = []
        step = _ROWS_AT_ONCE // self._each * self._each
        for first in range(0, len(self._rows), step):
            part = slice(first, first + step)
            relative = self._rows[part] @ (-2 * points.T)
            relative += self._squares[part, None]
            nearest = relative.reshape(-1, self._each, len(points)).min(axis=1)
            values.append((nearest + squares <= reach).mean(axis=1))
        return np.concatenate(values)

    def size_bytes(self) -> int:
        return self._rows.nbytes + self._squares.nbytes

"""Reduced kernel mean embeddings (learnware): MMD between small weighted point sets.

As in the package `learnware`, a dataset is a few points and weights; here the points are k-means centres and the
weights their shares, 10 of a source and 50 of a target, under the space's Gaussian kernel.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from msearch_sketch.spaces import FourierFeatures

_SOURCE_POINTS = 10
_TARGET_POINTS = 50
_ROUNDS = 4
_SOURCES_AT_ONCE = 1 << 11
_SCALE = 1 / (2 * FourierFeatures().bandwidth_ticks ** 2)


class RkmeMmd:
    """Points, weights and the norm of the embedding of every source."""

    name = "RKME-MMD, reduced sets"
    most_sources = 100_000

    def __init__(self) -> None:
        self._chunks: list[tuple[NDArray[np.float32], NDArray[np.float32]]] = []

    def add(self, rows: NDArray[np.int16]) -> None:
        self._chunks.append(_reduce(rows.astype(np.float32), _SOURCE_POINTS))

    def finish(self) -> None:
        points, weights = zip(*self._chunks, strict=True)
        self._points, self._weights = np.concatenate(points), np.concatenate(weights)
        within = _kernel(self._points, self._points)
        self._norms = np.einsum("np,npq,nq->n", self._weights, within, self._weights)
        self._chunks.clear()

    def scores(self, target: NDArray[np.int16]) -> NDArray[np.float64]:
        points, weights = _reduce(target[None].astype(np.float32), _TARGET_POINTS)
        similarity = np.empty(len(self._points))
        for first in range(0, len(self._points), _SOURCES_AT_ONCE):
            part = slice(first, first + _SOURCES_AT_ONCE)
            kernel = _kernel(self._points[part].reshape(1, -1, points.shape[2]), points)[0]
            means = (kernel @ weights[0]).reshape(-1, _SOURCE_POINTS)
            similarity[part] = (means * self._weights[part]).sum(axis=1)
        return 2 * similarity - self._norms

    def size_bytes(self) -> int:
        return self._points.nbytes + self._weights.nbytes + self._norms.nbytes


def _kernel(left: NDArray[np.float32], right: NDArray[np.float32]) -> NDArray[np.float32]:
    """Gaussian kernel of two batches of points [n, p, d] and [n, q, d]: [n, p, q]."""
    squares = (left**2).sum(axis=2)[:, :, None] + (right**2).sum(axis=2)[:, None, :]
    squares -= 2 * (left @ right.transpose(0, 2, 1))
    return np.exp(-np.float32(_SCALE) * squares)


def _reduce(rows: NDArray[np.float32], points: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """k-means of n datasets at once: [n, r, d] to centres [n, p, d] and their shares [n, p]."""
    count, size, _ = rows.shape
    centres = rows[:, :: size // points][:, :points].copy()
    for _ in range(_ROUNDS):
        relative = (centres**2).sum(axis=2)[:, None, :] - 2 * (rows @ centres.transpose(0, 2, 1))
        members = np.eye(points, dtype=np.float32)[relative.argmin(axis=2)]  # [n, r, p]
        weights = members.sum(axis=1)
        sums = members.transpose(0, 2, 1) @ rows
        centres = np.where(weights[:, :, None] > 0, sums / np.maximum(weights, 1)[:, :, None], centres)
    return centres.astype(np.float32).reshape(count, points, -1), weights / size

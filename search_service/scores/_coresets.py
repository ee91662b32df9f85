"""Distances between weighted centroids."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from msearch_sketch.signature import Signature

NO_TARGET = "the target has no coreset"
NO_SOURCE = "the source has no coreset"


class Coreset:
    """Centroids of a signature, prepared for distances. `size`: how many; `weights` [C]: rows each stands for.

    Neighbours are found by one float32 matrix product, which gives |s|^2 - 2 t . s from (t, 1) and (-2 s, |s|^2). The
    distance to the neighbour found is exact.
    """

    def __init__(self, signature: Signature) -> None:
        self._centroids = signature.centroids.astype(np.float32)
        squares = np.einsum("cd,cd->c", self._centroids, self._centroids)
        self._asking = np.column_stack([self._centroids, np.ones_like(squares)])
        self._asked = np.column_stack([-2 * self._centroids, squares])
        self.size = len(signature.centroids)
        self.weights = signature.centroid_weights.astype(np.float64)

    def nearest(self, other: Coreset) -> NDArray[np.float64]:
        """Distance in ticks from each of the other's centroids to the nearest of these. [other's C]"""
        places = (other._asking @ self._asked.T).argmin(axis=1)
        return _distances(other._centroids, self._centroids[places])

    def neighbour(self, rank: int) -> NDArray[np.float64]:
        """Distance in ticks from each centroid to its `rank`-th nearest other one. [C]; needs more than `rank`."""
        relative = self._asking @ self._asked.T
        np.fill_diagonal(relative, np.inf)
        places = relative.argmin(axis=1) if rank == 1 else np.argpartition(relative, rank - 1, axis=1)[:, rank - 1]
        return _distances(self._centroids, self._centroids[places])


def _distances(left: NDArray[np.float32], right: NDArray[np.float32]) -> NDArray[np.float64]:
    differences = (left - right).astype(np.float64)  # exact: differences of 16-bit integers
    distances: NDArray[np.float64] = np.sqrt(np.einsum("cd,cd->c", differences, differences))
    return distances

"""scipy: the target's weighted keys times a sparse matrix of keys by sources, in float32."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from benchmarks.search_sources import SPACE, sign
from msearch_sketch.signature import Signature


class SparseProduct:
    """One row per distinct (table, key), one column per source; sums over all resolutions without normalising."""

    name = "scipy sparse product"
    most_sources = 5_000

    def __init__(self) -> None:
        self._keys: list[NDArray[np.int64]] = []
        self._sizes: list[int] = []

    def add(self, rows: NDArray[np.int16]) -> None:
        for signature in sign(rows):
            self._keys.append(_composite(signature))
            self._sizes.append(signature.keys.size)

    def finish(self) -> None:
        keys = np.concatenate(self._keys)
        sources = np.repeat(np.arange(len(self._sizes), dtype=np.int32), self._sizes)
        order = np.argsort(keys, kind="stable")
        self._distinct, starts = np.unique(keys[order], return_index=True)
        bounds = np.append(starts, keys.size)
        data = np.ones(keys.size, np.float32)
        self._matrix = csr_matrix((data, sources[order], bounds), shape=(len(self._distinct), len(self._sizes)))
        self._keys.clear()

    def scores(self, target: NDArray[np.int16]) -> NDArray[np.float64]:
        return self.product(sign(target[None])[0])

    def product(self, target: Signature) -> NDArray[np.float64]:
        """The product alone."""
        places, weights = self._look_up(target)
        row = csr_matrix((weights, places, [0, len(places)]), shape=(1, len(self._distinct)))
        summed: NDArray[np.float64] = (row @ self._matrix).toarray()[0]
        return summed

    def touched(self, target: Signature) -> int:
        """Entries of the matrix that a product adds up."""
        places, _ = self._look_up(target)
        return int((self._matrix.indptr[places + 1] - self._matrix.indptr[places]).sum())

    def size_bytes(self) -> int:
        matrix = self._matrix
        return int(matrix.data.nbytes + matrix.indices.nbytes + matrix.indptr.nbytes + self._distinct.nbytes)

    def _look_up(self, target: Signature) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        wanted = _composite(target)
        places = np.minimum(np.searchsorted(self._distinct, wanted), len(self._distinct) - 1)
        found = self._distinct[places] == wanted
        return places[found], target.key_counts[found].astype(np.float32)


def _composite(signature: Signature) -> NDArray[np.int64]:
    tables = np.repeat(np.arange(SPACE.tables), np.diff(signature.table_offsets.astype(np.int64)))
    composite: NDArray[np.int64] = (tables << 32) | signature.keys
    return composite

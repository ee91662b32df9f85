"""A bounded sample of distinct rows that does not depend on the order of the rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from msearch_sketch.randomness import draw_words, mix_words

_SEED = 3
_MULTIPLIERS = 1  # stream of the seed
UNLABELLED = -1


class RowSample:
    """The distinct rows with the smallest content hashes, each with its classes and how often it occurs.

    A bottom-k sample (Cohen & Kaplan 2007) over distinct contents: every content is as likely to be in it, whatever
    its count, and its count is exact, because a content once dropped can never come back.
    """

    def __init__(self, dimension: int, most: int) -> None:
        self._most = most
        multipliers = draw_words(_SEED, _MULTIPLIERS, dimension)
        self._multipliers = multipliers | np.uint64(1)
        self._hashes = np.empty(0, np.uint64)
        self._ticks = np.empty((0, dimension), np.int16)
        self._classes = np.empty(0, np.int32)
        self._counts = np.empty(0, np.int64)
        self._highest: np.uint64 | None = None

    def add(self, ticks: NDArray[np.int16], classes: NDArray[np.int32]) -> None:
        """Adds rows [n, d] with their classes [n], `UNLABELLED` where unknown."""
        hashes = mix_words(ticks.astype(np.int64).astype(np.uint64) @ self._multipliers)
        if self._highest is not None:
            kept = hashes <= self._highest
            hashes, ticks, classes = hashes[kept], ticks[kept], classes[kept]
        if not len(hashes):
            return
        hashes = np.concatenate([self._hashes, hashes])
        classes = np.concatenate([self._classes, classes])
        ticks = np.concatenate([self._ticks, ticks])
        counts = np.concatenate([self._counts, np.ones(len(hashes) - len(self._counts), np.int64)])

        order = np.lexsort((classes, hashes))
        hashes, classes = hashes[order], classes[order]
        first = np.append(True, (np.diff(hashes) != 0) | (np.diff(classes) != 0))
        starts = np.flatnonzero(first)
        content = np.cumsum(np.append(True, np.diff(hashes) != 0)[starts])  # 1 for the smallest hash, and so on
        starts = starts[content <= self._most]
        ends = np.append(np.flatnonzero(first), len(hashes))[1 : len(starts) + 1]
        totals = np.append(0, np.cumsum(counts[order]))
        self._counts = totals[ends] - totals[starts]
        self._hashes, self._classes, self._ticks = hashes[starts], classes[starts], ticks[order[starts]]
        self._highest = self._hashes[-1] if content[-1] >= self._most else None

    def rows(self) -> tuple[NDArray[np.int16], NDArray[np.int32], NDArray[np.int64]]:
        """Ticks [m, d], classes [m] and counts [m], ordered by content hash, then class."""
        return self._ticks, self._classes, self._counts

"""Signed hash buckets of words and trigrams, counted by text, damped and projected.

Things are counted in signed hash buckets (Weinberger et al. 2009), counts grow sub-linearly, 1 + ln count, and a
projection on random signs (Achlioptas 2003) keeps the cosine of two texts up to an error of 1 / sqrt(dimension).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from msearch_sketch.randomness import draw_signs

LARGEST_SUM = 4096 * 149
"""No component of a projection is larger: all buckets full, 16 (1 + ln 4095) = 149 each."""

_BUCKET_BITS = 12
_MOST_COUNT = 4095
_COUNT_STEPS = 16
_SEED, _SIGNS = 5, 1


def project_counts(
    hashes: NDArray[np.uint64], owners: NDArray[np.int64], weights: NDArray[np.int64], texts: int, dimension: int
) -> NDArray[np.float64]:
    """Projected counts of each text, integers; zeros where a text has nothing to count. [texts, dimension]

    Args:
        hashes: of the things to count [m]; the top bits choose the bucket, the lowest one its sign.
        owners: the text each belongs to [m], below `texts`.
        weights: how often each counts [m].
        texts: how many there are.
        dimension: components of a projection.
    """
    cells = (owners << _BUCKET_BITS) + (hashes >> np.uint64(64 - _BUCKET_BITS)).astype(np.int64)
    counts = np.bincount(cells, np.where(hashes & np.uint64(1), weights, -weights), texts << _BUCKET_BITS)
    filled = np.flatnonzero(counts)  # few, where texts are short
    damped = np.zeros(len(counts), np.float32)
    damped[filled] = _damping()[np.clip(counts[filled], -_MOST_COUNT, _MOST_COUNT).astype(np.int64) + _MOST_COUNT]
    # At most 2^12 buckets times 16 (1 + ln 4095): below 2^24, where float32 holds every integer.
    return (damped.reshape(texts, -1) @ _signs(dimension)).astype(np.float64)


@lru_cache(maxsize=4)
def _signs(dimension: int) -> NDArray[np.float32]:
    return draw_signs(_SEED, _SIGNS, (1 << _BUCKET_BITS, dimension)).astype(np.float32)


@lru_cache(maxsize=1)
def _damping() -> NDArray[np.float32]:
    """16 (1 + ln |c|) with the sign of c, rounded, for c from -4095 to 4095. No value lies near a tie."""
    positive = np.rint(_COUNT_STEPS * (1 + np.log(np.arange(1, _MOST_COUNT + 1))))
    return np.concatenate([-positive[::-1], [0.0], positive]).astype(np.float32)

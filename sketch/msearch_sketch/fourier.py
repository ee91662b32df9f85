"""Random Fourier features in integers (Rahimi & Recht 2007).

The mean of cos and sin of omega . x, omega Gaussian with standard deviation 1 / bandwidth, embeds a distribution; the
distance of two such means is the maximum mean discrepancy under a Gaussian kernel. Angles are integers modulo 2^16 and
cosines come from a table, so that the sums are exact, order-free and add when signatures merge.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from msearch_sketch.randomness import GAUSSIAN_UNIT, draw_gaussians
from msearch_sketch.spaces import FourierFeatures

COSINE_UNIT = 16384
_TURN_BITS = 16  # a full turn is 2^16 angles
_FRACTION_BITS = 16  # of an angle in the frequencies
_FREQUENCIES = 1  # stream of the seed
_RADIAN = 683_565_276  # round(2^(16 + 16) / (2 pi)): one radian in fractions of an angle


def fourier_sums(ticks: NDArray[np.integer], features: FourierFeatures) -> NDArray[np.int64]:
    """Sums over rows of 16384 cos(omega . x), then of 16384 sin(omega . x). [n, d] to [2 F]"""
    products = (ticks.astype(np.float64) @ _frequencies(features, ticks.shape[1])).astype(np.int64)
    angles = (products >> _FRACTION_BITS) & ((1 << _TURN_BITS) - 1)
    cosines, sines = _circle()
    return np.concatenate([cosines[angles].sum(axis=0, dtype=np.int64), sines[angles].sum(axis=0, dtype=np.int64)])


@lru_cache(maxsize=32)
def _frequencies(features: FourierFeatures, dimension: int) -> NDArray[np.float64]:
    """Frequencies in 2^-16 angles a tick, rounded half up. [d, F]"""
    gaussians = draw_gaussians(features.seed, _FREQUENCIES, (dimension, features.features))
    divisor = features.bandwidth_ticks * GAUSSIAN_UNIT
    frequencies = (2 * gaussians * _RADIAN + divisor) // (2 * divisor)
    return frequencies.astype(np.float64)


@lru_cache(maxsize=1)
def _circle() -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """16384 cos and 16384 sin of every angle, rounded. No value lies near a tie, so every libm gives this table."""
    turns = np.arange(1 << _TURN_BITS) / (1 << _TURN_BITS)
    cosines = np.rint(COSINE_UNIT * np.cos(2 * np.pi * turns)).astype(np.int32)
    return cosines, np.roll(cosines, 1 << (_TURN_BITS - 2))

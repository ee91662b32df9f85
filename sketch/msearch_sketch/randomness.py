"""Random integers that every machine and language draws alike.

A counter-based generator: number i of a stream is SplitMix64 (Steele, Lea & Flood 2014) of a start that the seed and
the stream's number fix. Nothing depends on numpy's generators, on libm, or on how many numbers were drawn before.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

GAUSSIAN_UNIT = 256
"""Grid of `draw_gaussians`: one standard deviation is this many steps."""

_GOLDEN = 0x9E3779B97F4A7C15
_MASK = (1 << 64) - 1
_UNIFORMS = 16  # of 32 bits each, summed to one Gaussian
# 256 / (standard deviation of the sum of 16 uniforms on [0, 2^32)) in units of 2^-48: 2^48 * 256 / (2^32 sqrt(16/12)).
_GAUSSIAN_SCALE = 14_529_495


def mix_words(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finaliser of SplitMix64: a bijection of 64-bit words whose output bits all depend on all input bits."""
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))


def draw_words(seed: int, stream: int, count: int) -> NDArray[np.uint64]:
    """The first words of a stream: mix(start + (i + 1) golden), where start = mix(mix(seed) + stream). [count]"""
    start = mix_words(mix_words(np.array([seed & _MASK], np.uint64)) + np.uint64(stream))
    steps = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(_GOLDEN)
    return mix_words(start + steps)


def draw_gaussians(seed: int, stream: int, shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Standard Gaussians in steps of 1 / 256, filled in C order.

    Each is the sum of 16 uniforms of 32 bits, centred, scaled and rounded in integers: exact everywhere, unlike a
    logarithm and a cosine. Its excess kurtosis is -0.075, and its largest absolute value 6.93.
    """
    count = int(np.prod(shape))
    words = draw_words(seed, stream, count * _UNIFORMS // 2).reshape(count, -1)
    low = (words & np.uint64(0xFFFFFFFF)).astype(np.int64).sum(axis=1)
    high = (words >> np.uint64(32)).astype(np.int64).sum(axis=1)
    centred = low + high - _UNIFORMS * 2**31
    gaussians: NDArray[np.int64] = (centred * _GAUSSIAN_SCALE + 2**47) >> 48
    return gaussians.reshape(shape)


def draw_signs(seed: int, stream: int, shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Values -1 or 1 with equal chance, from the top bit of each word, filled in C order."""
    words = draw_words(seed, stream, int(np.prod(shape)))
    return (1 - 2 * (words >> np.uint64(63)).astype(np.int64)).reshape(shape)


def draw_below(seed: int, stream: int, count: int, limit: int) -> NDArray[np.int64]:
    """Integers from 0 to limit - 1 (limit at most 2^32): the top 32 bits times the limit, divided by 2^32. [count]"""
    top = draw_words(seed, stream, count) >> np.uint64(32)
    return ((top * np.uint64(limit)) >> np.uint64(32)).astype(np.int64)

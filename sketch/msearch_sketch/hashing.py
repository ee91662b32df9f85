"""Locality-sensitive hashing in integers (E2LSH; Datar, Immorlica, Indyk & Mirrokni 2004).

h(x) = floor((a . x + b) / w) with a Gaussian and b uniform collides for rows at distance c with probability
p(c) = 1 - 2 Phi(-w/c) - 2c / (sqrt(2 pi) w) (1 - exp(-w^2 / 2c^2)); K of them together with p(c)^K.

Rows are integer ticks, a is on a grid of 1/256 and b on the same, so a . x is an integer far below 2^53: float64 holds
it exactly whatever the order of summation, and the keys are the same on every machine. All resolutions share a and b
and differ in w only, so where one width divides another, the finer bucket lies within the coarser.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from msearch_sketch.randomness import GAUSSIAN_UNIT, draw_below, draw_gaussians
from msearch_sketch.spaces import HashFamily

_DIRECTIONS = 1  # streams of the family's seed
_OFFSETS = 2


@lru_cache(maxsize=32)
def projections(family: HashFamily, dimension: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Directions a [d, L K] and offsets b [L K], both integers in units of 1/256; column l K + k is h_k of table l."""
    count = family.tables * family.projections
    directions = draw_gaussians(family.seed, _DIRECTIONS, (dimension, count)).astype(np.float64)
    offsets = draw_below(family.seed, _OFFSETS, count, family.widths_ticks[-1] * GAUSSIAN_UNIT).astype(np.float64)
    directions.setflags(write=False)
    offsets.setflags(write=False)
    return directions, offsets


def bucket_keys(ticks: NDArray[np.integer], family: HashFamily) -> NDArray[np.uint32]:
    """Keys of rows: [n, d] ticks to [n, R, L] 32-bit keys, R resolutions from fine to coarse, L tables each."""
    directions, offsets = projections(family, ticks.shape[1])
    positions = (ticks.astype(np.float64) @ directions + offsets).astype(np.int64)
    keys = np.empty((len(ticks), len(family.widths_ticks), family.tables), np.uint32)
    for resolution, width in enumerate(family.widths_ticks):
        buckets = np.floor_divide(positions, width * GAUSSIAN_UNIT)
        keys[:, resolution] = _mix_buckets(buckets.reshape(len(ticks), family.tables, family.projections), resolution)
    return keys


def _mix_buckets(buckets: NDArray[np.int64], resolution: int) -> NDArray[np.uint32]:
    """MurmurHash3 (x86, 32 bits) of the K bucket numbers, low 32 bits each; seeded by resolution and table.

    [n, L, K] to [n, L]. Sampling keeps keys divisible by 2**level, so the low bits must be as good as the others.
    """
    words = buckets.astype(np.uint32)  # two's complement, low 32 bits
    tables = words.shape[1]
    state = np.broadcast_to(np.arange(tables, dtype=np.uint32) + np.uint32(resolution << 16), words.shape[:2])
    for k in range(words.shape[2]):
        word = _rotate(words[:, :, k] * np.uint32(0xCC9E2D51), 15) * np.uint32(0x1B873593)
        state = _rotate(state ^ word, 13) * np.uint32(5) + np.uint32(0xE6546B64)
    state = state ^ np.uint32(4 * words.shape[2])
    state = (state ^ (state >> np.uint32(16))) * np.uint32(0x85EBCA6B)
    state = (state ^ (state >> np.uint32(13))) * np.uint32(0xC2B2AE35)
    keys: NDArray[np.uint32] = state ^ (state >> np.uint32(16))
    return keys


def _rotate(words: NDArray[np.uint32], bits: int) -> NDArray[np.uint32]:
    return (words << np.uint32(bits)) | (words >> np.uint32(32 - bits))

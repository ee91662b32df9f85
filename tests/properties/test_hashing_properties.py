"""Locality: the collision probability of the hash is the one that theory gives, at every resolution."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from msearch_sketch.hashing import bucket_keys
from msearch_sketch.spaces import CLIP_TICKS, HashFamily

FAMILY = HashFamily(projections=3, tables=4, widths_ticks=(256, 512, 1024, 4096))
TICKS = arrays(np.int16, (20, 5), elements=st.integers(-CLIP_TICKS, CLIP_TICKS))


def collision_probability(distance: float, width: float) -> float:
    """Datar et al. 2004, section 3.2, for the Gaussian case."""
    ratio = width / distance
    gaussian_tail = 0.5 * math.erfc(ratio / math.sqrt(2))
    return 1 - 2 * gaussian_tail - 2 / (math.sqrt(2 * math.pi) * ratio) * (1 - math.exp(-(ratio**2) / 2))


@pytest.mark.parametrize("distance", [200, 600, 1500])
@pytest.mark.parametrize("projections", [1, 4])
def test_collision_probability_is_that_of_the_p_stable_family(distance, projections):
    family = HashFamily(projections=projections, tables=64, widths_ticks=(512, 1024, 2048))
    rng = np.random.default_rng(1)
    directions = rng.normal(size=(4000, 16))
    directions *= distance / np.linalg.norm(directions, axis=1, keepdims=True)
    first = rng.integers(-3000, 3000, (4000, 16))
    keys, other = (bucket_keys(rows.astype(np.int16), family) for rows in (first, first + np.rint(directions)))
    for resolution, width in enumerate(family.widths_ticks):
        found = np.mean(keys[:, resolution] == other[:, resolution])
        assert found == pytest.approx(collision_probability(distance, width) ** projections, abs=0.03)


@given(TICKS)
def test_a_finer_bucket_lies_within_a_coarser(ticks):
    keys = bucket_keys(ticks, FAMILY)
    for finer in range(3):
        same = keys[:, None, finer] == keys[None, :, finer]
        assert (keys[:, None, finer + 1] == keys[None, :, finer + 1])[same].all()


@given(TICKS)
def test_a_key_depends_on_its_row_alone(ticks):
    keys = bucket_keys(ticks, FAMILY)
    assert np.array_equal(bucket_keys(ticks[::-1], FAMILY)[::-1], keys)
    assert np.array_equal(bucket_keys(ticks[3:4], FAMILY), keys[3:4])


def test_low_bits_of_keys_are_uniform():
    """Thinning keeps keys divisible by a power of two: a quarter of them must be divisible by 4."""
    ticks = np.random.default_rng(2).integers(-4000, 4000, (4000, 8)).astype(np.int16)
    keys = bucket_keys(ticks, FAMILY)[:, 0]
    for level in range(1, 8):
        assert np.mean(keys % (1 << level) == 0) == pytest.approx(2.0**-level, rel=0.2)
    assert np.bincount((keys.ravel() >> 28).astype(np.int64), minlength=16).min() > 800


def test_tables_and_resolutions_give_unlike_keys():
    keys = bucket_keys(np.zeros((1, 3), np.int16), HashFamily(tables=8, widths_ticks=(512, 1024)))
    assert len(np.unique(keys)) == 16

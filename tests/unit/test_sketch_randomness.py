"""The constants that every implementation of the signature must reproduce."""

from __future__ import annotations

import numpy as np
import pytest

from msearch_sketch import fourier, hashed_counts
from msearch_sketch.featurisers import image_dct
from msearch_sketch.hashing import bucket_keys, projections
from msearch_sketch.randomness import draw_below, draw_gaussians, draw_signs, draw_words
from msearch_sketch.spaces import FourierFeatures, HashFamily

MASK = (1 << 64) - 1


def mix(word: int) -> int:
    """SplitMix64's finaliser in plain integers, written from its definition."""
    word = ((word ^ (word >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    word = ((word ^ (word >> 27)) * 0x94D049BB133111EB) & MASK
    return word ^ (word >> 31)


def words(seed: int, stream: int, count: int) -> list[int]:
    start = mix((mix(seed) + stream) & MASK)
    return [mix((start + (i + 1) * 0x9E3779B97F4A7C15) & MASK) for i in range(count)]


def test_words_follow_the_definition():
    assert draw_words(7, 3, 5).tolist() == words(7, 3, 5)


def test_splitmix64_reference_values():
    # First outputs of the reference generator seeded with 1234567.
    state, outputs = 1234567, []
    for _ in range(3):
        state = (state + 0x9E3779B97F4A7C15) & MASK
        outputs.append(mix(state))
    assert outputs == [6457827717110365317, 3203168211198807973, 9817491932198370423]


def test_gaussians_follow_the_definition():
    drawn = draw_gaussians(1, 1, (2, 2)).ravel().tolist()
    source = words(1, 1, 32)
    for i, value in enumerate(drawn):
        total = sum((word & 0xFFFFFFFF) + (word >> 32) for word in source[8 * i : 8 * i + 8])
        assert value == ((total - 2**35) * 14_529_495 + 2**47) >> 48


def test_gaussians_have_the_moments_of_a_gaussian():
    drawn = draw_gaussians(5, 1, (200_000,)) / 256
    assert abs(drawn.mean()) < 0.01
    assert drawn.std() == pytest.approx(1, abs=0.01)
    assert (drawn**4).mean() == pytest.approx(3 - 0.075, abs=0.08)
    assert np.mean(np.abs(drawn) < 1) == pytest.approx(0.6827, abs=0.006)


def test_signs_and_bounded_integers_are_balanced():
    signs = draw_signs(1, 1, (100, 1000))
    assert set(np.unique(signs)) == {-1, 1}
    assert abs(signs.mean()) < 0.02
    below = draw_below(1, 2, 60_000, 6)
    assert np.bincount(below, minlength=6).min() > 9_600
    assert below.max() == 5


def test_a_longer_draw_starts_with_the_shorter():
    assert draw_words(1, 1, 10).tolist() == draw_words(1, 1, 1000)[:10].tolist()


def test_one_key_follows_the_definition():
    """The whole path of one row in plain integers, as another implementation would write it."""
    family = HashFamily(projections=2, tables=3, widths_ticks=(512, 1024))
    row = [700, -300, 12]
    gaussians = draw_gaussians(family.seed, 1, (3, 6)).tolist()
    offsets = draw_below(family.seed, 2, 6, 1024 * 256).tolist()

    def rotate(word: int, bits: int) -> int:
        return ((word << bits) | (word >> (32 - bits))) & 0xFFFFFFFF

    def key(resolution: int, table: int) -> int:
        state = table + (resolution << 16)
        for k in range(2):
            column = table * 2 + k
            position = sum(x * gaussians[i][column] for i, x in enumerate(row)) + offsets[column]
            bucket = (position // (family.widths_ticks[resolution] * 256)) & 0xFFFFFFFF
            word = rotate(bucket * 0xCC9E2D51 & 0xFFFFFFFF, 15) * 0x1B873593 & 0xFFFFFFFF
            state = (rotate(state ^ word, 13) * 5 + 0xE6546B64) & 0xFFFFFFFF
        state ^= 8
        state = (state ^ (state >> 16)) * 0x85EBCA6B & 0xFFFFFFFF
        state = (state ^ (state >> 13)) * 0xC2B2AE35 & 0xFFFFFFFF
        return state ^ (state >> 16)

    keys = bucket_keys(np.array([row], np.int16), family)[0]
    assert keys.tolist() == [[key(resolution, table) for table in range(3)] for resolution in range(2)]


@pytest.mark.parametrize(
    "values",
    [
        fourier.COSINE_UNIT * np.cos(2 * np.pi * np.arange(1 << 16) / (1 << 16)),
        16 * (1 + np.log(np.arange(1, 4096))),
        2**16 * np.sqrt(2 / 32) * np.cos(np.pi * np.outer(np.arange(1, 10), 2 * np.arange(32) + 1) / 64),
    ],
    ids=["cosines", "damped counts", "DCT basis"],
)
def test_no_table_entry_lies_near_a_tie(values):
    """So the last bit of somebody's cosine or logarithm cannot change a table."""
    distance = np.abs(values - np.floor(values) - 0.5)
    assert distance.min() > 1e-7


def test_tables_are_those_of_the_formulas():
    cosines, sines = fourier._circle()
    assert (cosines[0], cosines[1 << 14], cosines[1 << 15]) == (16384, 0, -16384)
    assert (sines[0], sines[1 << 14], sines[3 << 14]) == (0, 16384, -16384)
    assert hashed_counts._damping()[4095 + np.array([-1, 0, 1, 3])].tolist() == [-16, 0, 16, 34]
    assert image_dct._zigzag(6) == ([0, 0, 1, 2, 1, 0], [0, 1, 0, 0, 1, 2])


def test_arithmetic_stays_exact_in_the_worst_space():
    """Largest ticks, largest frequencies: every sum below 2^53."""
    frequencies = np.abs(fourier._frequencies(FourierFeatures(features=64, bandwidth_ticks=1), 64))
    assert 8192 * frequencies.sum(axis=0).max() < 2**53
    directions, offsets = projections(HashFamily(projections=16, tables=4, widths_ticks=(2**20,)), 64)
    assert 8192 * np.abs(directions).sum(axis=0).max() + offsets.max() < 2**53

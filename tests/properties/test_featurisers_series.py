"""time-series: ragged and damaged series, and what its features measure."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from msearch_sketch.datasets import open_dataset
from msearch_sketch.errors import SpaceError
from msearch_sketch.featurisers.time_series import (
    FEATURISER,
    HOP_STEPS,
    PER_CHANNEL,
    WINDOW_STEPS,
    _fourier_table,
    _log2,
    describe_series,
)


def _noise(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def _open(series):
    return open_dataset(pa.table({"x": pa.array([np.asarray(row).tolist() for row in series])}))


def _fit(series):
    dataset = _open(series)
    return FEATURISER.fit_space(dataset.columns, dataset.batches())


def _transform(series, space):
    dataset = _open(series)
    (batch,) = dataset.batches()
    return FEATURISER.transform(batch, dataset.columns, space)


def _describe(series, **_):
    return dict(zip(PER_CHANNEL, describe_series(np.asarray(series, float)[None] * 256), strict=False))


SPACE = _fit(_noise(30, 2, 200))


@given(st.lists(st.integers(1, 400), min_size=1, max_size=6))
@settings(max_examples=25, deadline=None)
def test_series_of_any_length_have_features(lengths):
    found = _transform([_noise(2, length) for length in lengths], SPACE)
    assert found.kept.all()
    assert found.ticks.shape == (len(lengths), SPACE.dimension)


def test_a_long_stationary_series_looks_like_its_windows():
    steps = np.arange(20 * WINDOW_STEPS)
    wave = np.sin(2 * np.pi * steps / 16)
    np.testing.assert_allclose(
        describe_series(np.rint(256 * wave[None])), describe_series(np.rint(256 * wave[None, :WINDOW_STEPS])), atol=0.01
    )


def test_one_odd_window_does_not_change_the_median():
    calm = np.rint(256 * _noise(1, WINDOW_STEPS + 10 * HOP_STEPS))
    spoilt = calm.copy()
    spoilt[0, :40] += 20_000
    np.testing.assert_allclose(describe_series(spoilt)[0], describe_series(calm)[0], atol=30)


def test_statistics_of_known_series():
    constant = _describe(np.full(100, 3.0))
    assert (constant["mean"], constant["low"], constant["high"]) == (768, 768, 768)
    assert (constant["deviation"], constant["difference"], constant["crossings"]) == (0, 0, 0)
    square = _describe(np.tile([1.0, -1.0], 50))
    assert (square["mean"], square["deviation"], square["crossings"], square["difference"]) == (0, 256, 1, 512)


@pytest.mark.parametrize(("cycles", "band"), [(2, "band1"), (6, "band2"), (12, "band3"), (40, "band4")])
def test_a_sine_has_its_energy_in_its_band(cycles, band):
    found = _describe(np.rint(256 * np.sin(2 * np.pi * cycles * np.arange(128) / 128)) / 256)
    energies = {name: found[name] for name in PER_CHANNEL if name.startswith("band")}
    assert max(energies, key=energies.get) == band
    assert energies[band] - sorted(energies.values())[-2] > 3  # doublings


@given(st.floats(4, 2**60))
def test_the_logarithm_is_close_to_the_true_one(value):
    assert -0.087 < float(_log2(np.array([value]))[0]) - math.log2(value) < 1e-12


def test_no_entry_of_the_fourier_table_is_near_a_rounding_tie():
    """Sines may differ in their last bits between machines; the rounded table must not."""
    for length in range(1, WINDOW_STEPS + 1):
        steps = np.arange(length)
        window = np.sin(np.pi * (steps + 0.5) / length) ** 2
        angles = 2 * np.pi * np.outer(steps, np.arange(1, length // 2 + 1)) / length
        exact = np.stack([np.cos(angles), np.sin(angles)], axis=2).reshape(length, -1) * window[:, None]
        exact = (exact - exact.mean(axis=0)) * 2**14 if exact.size else exact
        np.testing.assert_array_equal(_fourier_table(length), np.rint(exact))
        assert np.abs(exact - np.floor(exact) - 0.5).min(initial=1) > 1e-8


def test_correlated_channels_are_told_from_independent_ones():
    shared = np.rint(256 * _noise(300))
    other = np.rint(256 * _noise(300, seed=1))
    assert describe_series(np.stack([shared, shared]))[-1] == pytest.approx(1)
    assert describe_series(np.stack([shared, -shared]))[-1] == pytest.approx(-1)
    assert abs(describe_series(np.stack([shared, other]))[-1]) < 0.4


@given(st.floats(2, 20))
@settings(max_examples=15, deadline=None)
def test_a_change_of_scale_moves_the_features(factor):
    series = _noise(10, 2, 200)
    before, after = _transform(series, SPACE), _transform(factor * series, SPACE)
    assert np.abs(before.ticks.astype(int) - after.ticks).mean() > 512


@given(st.floats(0.001, 1000), st.floats(-50, 50))
@settings(max_examples=10, deadline=None)
def test_fitting_on_other_units_gives_the_same_features(factor, shift):
    series = _noise(20, 2, 150)
    moved = factor * series + shift * factor
    first, second = _transform(series, _fit(series)), _transform(moved, _fit(moved))
    # Samples are rounded to 1/256, and one more crossing may move a quartile of that rate: most features, not all.
    assert np.median(np.abs(first.ticks.astype(int) - second.ticks)) <= 8


def test_gaps_are_filled_from_the_step_before():
    row = _noise(2, 90)
    holed = row.copy()
    row[0, 5], row[1, 0] = row[0, 4], row[1, 1]
    holed[0, 5], holed[1, 0] = np.nan, np.inf
    np.testing.assert_array_equal(_transform([holed], SPACE).ticks, _transform([row], SPACE).ticks)


BAD = [
    (None, "the series is missing"),
    ([], "the series has no channel"),
    ([[], []], "the series is empty"),
    ([[1.0, 2.0], [1.0]], "its channels differ in length, from 1 to 2 steps"),
    ([[1.0, 2.0], [None, None]], "a channel has no finite value"),
    ([[1.0, 2.0]], "the series has 1 channels, not 2"),
]


@pytest.mark.parametrize(("bad", "reason"), BAD)
def test_an_unreadable_series_is_skipped_with_the_reason(bad, reason):
    good = _noise(2, 40).tolist()
    dataset = open_dataset(pa.table({"x": pa.array([good, bad, good], pa.list_(pa.list_(pa.float64())))}))
    (batch,) = dataset.batches()
    found = FEATURISER.transform(batch, dataset.columns, SPACE)
    assert found.kept.tolist() == [True, False, True]
    assert found.problem == f"row 1 of the batch: {reason}"
    np.testing.assert_array_equal(found.ticks[0], found.ticks[1])


def test_other_numbers_of_channels_do_not_compare():
    with pytest.raises(SpaceError, match=r"is for column 'x' of type list<list<float>>\[2\], not for column 'x' of"):
        _transform(_noise(3, 6, 40), SPACE)


def test_one_channel_is_a_plain_list():
    space = _fit(_noise(10, 80))
    assert space.schema == (("x", "list<float>"),)
    assert space.dimension == len(PER_CHANNEL)


def test_many_channels_are_projected():
    space = _fit(_noise(10, 30, 40))
    assert space.dimension == 64
    assert _transform(_noise(3, 30, 40), space).ticks.any()


def test_nothing_readable_cannot_be_fitted():
    dataset = open_dataset(pa.table({"x": [[[1.0], [2.0, 3.0]]]}))
    with pytest.raises(SpaceError, match="column 'x' holds no readable series"):
        FEATURISER.fit_space(dataset.columns, dataset.batches())

"""tabular-robust: what changes its features and what does not."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from msearch_sketch.datasets import open_dataset
from msearch_sketch.errors import SpaceError
from msearch_sketch.featurisers.tabular_robust import FEATURISER
from msearch_sketch.robust_scaling import fit_robust, project_signs
from msearch_sketch.spaces import TICKS_PER_UNIT

FINITE = st.floats(-1e6, 1e6, allow_nan=False)


def _fit(columns):
    dataset = open_dataset(pa.table(columns), modality="tabular", labels="")
    return dataset, FEATURISER.fit_space(dataset.columns, dataset.batches())


def _transform(columns, space):
    dataset = open_dataset(pa.table(columns), modality="tabular", labels="")
    return np.concatenate([FEATURISER.transform(b, dataset.columns, space).ticks for b in dataset.batches()])


def _numbers(rows=200, columns=3):
    return {f"c{i}": np.random.default_rng(i).normal(i, i + 1, rows) for i in range(columns)}


def test_columns_are_centred_and_scaled():
    data = _numbers()
    _, space = _fit(data)
    ticks = _transform(data, space)
    assert space.dimension == 6
    values, missing = ticks[:, ::2], ticks[:, 1::2]
    assert not missing.any()
    np.testing.assert_allclose(np.median(values, axis=0), 0, atol=20)
    np.testing.assert_allclose(values.std(axis=0) / TICKS_PER_UNIT, 1, atol=0.2)


@given(st.floats(1.5, 50), st.floats(5, 1000))
@settings(max_examples=25, deadline=None)
def test_an_affine_change_moves_the_features(factor, shift):
    """The measure must not be blind to 50 A + 1000, as min-max scaling per dataset would be."""
    data = _numbers()
    _, space = _fit(data)
    before = _transform(data, space).astype(int)
    after = _transform({name: factor * column + shift for name, column in data.items()}, space)
    assert np.abs(before - after).mean() > TICKS_PER_UNIT / 4


@given(st.floats(0.01, 100), st.floats(-100, 100))
@settings(max_examples=25, deadline=None)
def test_fitting_on_other_units_gives_the_same_features(factor, shift):
    data = _numbers()
    moved = {name: factor * column + shift for name, column in data.items()}
    first = _transform(data, _fit(data)[1])
    second = _transform(moved, _fit(moved)[1])
    assert np.abs(first.astype(int) - second).max() <= 16  # constants have six significant digits


@given(st.permutations(["a", "b", "kind", "flag"]))
@settings(max_examples=12, deadline=None)
def test_the_order_of_columns_does_not_matter(order):
    data = {"a": [1.0, 2.0, 5.0], "b": [3, 4, 9], "kind": ["x", "y", "x"], "flag": [True, False, True]}
    _, space = _fit(data)
    _, other = _fit({name: data[name] for name in order})
    assert space == other


@pytest.mark.parametrize("hole", [None, float("nan"), float("inf"), float("-inf")])
def test_what_is_not_finite_is_missing(hole):
    _, space = _fit({"a": [1.0, 2.0, 3.0, 4.0]})
    ticks = _transform({"a": pa.array([hole, 2.0])}, space)
    assert ticks[0].tolist() == [0, TICKS_PER_UNIT]
    assert ticks[1, 1] == 0


def test_infinity_does_not_reach_the_fitted_scale():
    _, clean = _fit({"a": [1.0, 2.0, 3.0, 4.0]})
    _, dirty = _fit({"a": [1.0, float("inf"), 2.0, 3.0, float("nan"), 4.0]})
    assert clean.parameters == dirty.parameters


def test_a_constant_column_has_scale_one():
    _, space = _fit({"a": [7.0, 7.0, 7.0]})
    assert space.parameters == {"locations": [7.0], "scales": [1.0]}
    assert _transform({"a": [8.0]}, space)[0, 0] == TICKS_PER_UNIT


def test_one_outlier_does_not_set_the_scale():
    _, space = _fit({"a": [*np.linspace(0, 1, 99).tolist(), 1e12]})
    assert space.parameters["scales"][0] < 1


@given(st.lists(FINITE, min_size=1, max_size=60))
def test_robust_scales_are_positive_and_the_median_is_inside(values):
    location, scale = fit_robust(np.array(values))
    assert scale > 0
    slack = 1e-5 * max(map(abs, values))
    assert min(values) - slack <= location <= max(values) + slack


def test_equal_categories_are_equal_and_others_about_one_apart():
    names = [f"category {i}" for i in range(100)]
    _, space = _fit({"kind": names, "n": np.zeros(100)})
    ticks = _transform({"kind": names, "n": np.zeros(100)}, space).astype(float)
    again = _transform({"kind": names[:1], "n": np.zeros(1)}, space)
    np.testing.assert_array_equal(ticks[0], again[0])
    distances = np.sqrt(((ticks[:, None] - ticks[None]) ** 2).sum(axis=2))[np.triu_indices(100, 1)]
    assert np.median(distances) / TICKS_PER_UNIT == pytest.approx(1, abs=0.1)
    assert (distances == 0).mean() < 0.01


def test_many_columns_are_projected_and_distances_kept():
    data = _numbers(rows=100, columns=80)
    _, space = _fit(data)
    assert space.dimension == 64
    raw = np.random.default_rng(0).normal(0, TICKS_PER_UNIT, (50, 160)).astype(np.int64)
    projected = project_signs(raw, 1).astype(float)
    ratio = np.linalg.norm(projected[1:] - projected[:-1], axis=1) / np.linalg.norm(raw[1:] - raw[:-1], axis=1)
    assert np.abs(ratio - 1).mean() < 0.15


def test_an_all_missing_column_cannot_be_fitted():
    dataset = open_dataset(pa.table({"a": [1.0, 2.0], "b": pa.nulls(2, pa.float64())}))
    with pytest.raises(SpaceError, match="column 'b' is all missing"):
        FEATURISER.fit_space(dataset.columns, dataset.batches())


def test_columns_of_another_schema_are_listed():
    _, space = _fit({"a": [1.0, 2.0], "b": [1.0, 2.0]})
    with pytest.raises(SpaceError, match=r"the data lacks b \(float\) and adds c \(category\)"):
        _transform({"a": [1.0], "c": pa.array(["x"]).dictionary_encode()}, space)


def test_the_fit_reads_no_more_rows_than_it_says():
    dataset = open_dataset(pa.table({"a": [1.0, 2.0]}))
    batch = pa.RecordBatch.from_pydict({"a": np.arange(60_000.0)})

    def batches():
        yield batch
        yield batch
        pytest.fail("a third batch was read")

    FEATURISER.fit_space(dataset.columns, batches())


def test_hash_widths_follow_the_spread_of_the_rows():
    """Rows near each other share fine buckets, so the widths grow with the distance between neighbours."""
    rng = np.random.default_rng(0)
    clusters = rng.integers(0, 5, 500) * 10
    _, tight = _fit({"a": clusters + rng.normal(0, 0.01, 500), "b": clusters + rng.normal(0, 0.01, 500)})
    _, loose = _fit({"a": rng.normal(size=500), "b": rng.normal(size=500)})
    assert tight.hashing.widths_ticks[0] < loose.hashing.widths_ticks[0]
    for space in (tight, loose):
        assert [width // space.hashing.widths_ticks[0] for width in space.hashing.widths_ticks] == [1, 2, 4, 8]

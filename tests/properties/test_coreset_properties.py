"""The coreset never shows a single row, and stands for all of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from msearch_sketch.coreset import build_coreset
from msearch_sketch.row_sample import RowSample
from msearch_sketch.spaces import CoresetRule


@st.composite
def samples(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    points = draw(st.integers(1, 80))
    ticks = rng.integers(-8192, 8193, (points, draw(st.integers(1, 5)))).astype(np.int16)
    classes = rng.integers(-1, draw(st.integers(0, 6)), points).astype(np.int32)
    counts = rng.integers(1, draw(st.sampled_from([2, 50])), points)
    rule = CoresetRule(centroids=draw(st.integers(1, 20)), least_rows=draw(st.integers(1, 6)), iterations=4)
    rows = int(counts.sum()) + draw(st.sampled_from([0, 1000, 10**9]))
    return ticks, classes, counts, rows, rule


@given(samples())
def test_no_cell_is_too_small_and_no_row_counts_twice(sample):
    ticks, classes, counts, rows, rule = sample
    coreset = build_coreset(*sample)
    assert len(coreset.centroids) <= rule.centroids
    assert (coreset.weights >= rule.least_rows).all()
    assert int(coreset.weights.sum()) <= rows
    for name in np.unique(coreset.classes):
        own = classes == name
        drawn = counts[own].sum() * rows / counts.sum()
        cells = coreset.weights[coreset.classes == name]
        assert drawn - len(cells) <= cells.sum() <= drawn + 1e-6 * drawn
        members, centroids = ticks[own].astype(int), coreset.centroids[coreset.classes == name]
        assert (centroids >= members.min(axis=0)).all()
        assert (centroids <= members.max(axis=0)).all()


@given(samples())
def test_every_class_that_can_have_a_centroid_has_one(sample):
    _, classes, counts, _, rule = sample
    names, places = np.unique(classes, return_inverse=True)
    eligible = names[np.bincount(places, counts) >= rule.least_rows]
    found = np.unique(build_coreset(*sample).classes)
    if len(names) <= rule.centroids:
        assert found.tolist() == eligible.tolist()
    else:
        assert set(found.tolist()) <= set(eligible.tolist())


def test_clusters_are_found():
    rng = np.random.default_rng(0)
    centres = np.array([[-3000, 0], [3000, 0], [0, 4000]])
    ticks = np.concatenate([centre + rng.integers(-50, 51, (20, 2)) for centre in centres]).astype(np.int16)
    coreset = build_coreset(
        ticks, np.full(60, -1, np.int32), np.ones(60, np.int64), 60, CoresetRule(centroids=3, least_rows=3)
    )
    assert coreset.weights.tolist() == [20, 20, 20]
    nearest = np.abs(coreset.centroids[:, None].astype(int) - centres).max(axis=2).min(axis=0)
    assert nearest.max() <= 25


def test_an_outlier_never_becomes_a_centroid():
    ticks = np.concatenate([np.random.default_rng(0).integers(-90, 91, (30, 2)), [[8000, 8000]]]).astype(np.int16)
    coreset = build_coreset(
        ticks, np.full(31, -1, np.int32), np.ones(31, np.int64), 31, CoresetRule(centroids=8, least_rows=3)
    )
    assert int(coreset.weights.sum()) == 31
    assert coreset.centroids.max() < 8000 / 3 + 90


def test_centroids_are_shared_out_by_class_size():
    ticks = np.random.default_rng(0).integers(-900, 900, (400, 2)).astype(np.int16)
    classes = np.repeat([0, 1], [300, 100]).astype(np.int32)
    rule = CoresetRule(centroids=8, least_rows=1, iterations=1)
    coreset = build_coreset(ticks, classes, np.ones(400, np.int64), 400, rule)
    # One each, then the other six in proportion: 4.5 and 1.5, by largest remainder the first of equals.
    assert np.bincount(coreset.classes).tolist() == [6, 2]


@given(st.integers(0, 2**32), st.lists(st.integers(0, 60), max_size=5))
def test_the_sample_depends_on_the_rows_alone(seed, cuts):
    rng = np.random.default_rng(seed)
    ticks = rng.integers(-3, 4, (60, 2)).astype(np.int16)
    classes = rng.integers(-1, 2, 60).astype(np.int32)

    def drawn(order, bounds):
        sample = RowSample(2, 10)
        for start, end in zip([0, *bounds], [*bounds, 60], strict=True):
            sample.add(ticks[order][start:end], classes[order][start:end])
        return sample.rows()

    whole = drawn(np.arange(60), [])
    for first, second in zip(whole, drawn(rng.permutation(60), sorted(cuts)), strict=True):
        assert np.array_equal(first, second)
    rows, labels, counts = whole
    assert len(np.unique(rows, axis=0)) == min(10, len(np.unique(ticks, axis=0)))
    for row, label, count in zip(rows, labels, counts, strict=True):
        assert count == ((ticks == row).all(axis=1) & (classes == label)).sum()


@pytest.mark.parametrize("least_rows", [1, 3, 10])
def test_identical_rows_make_one_centroid(least_rows):
    ticks, counts = np.full((1, 3), 77, np.int16), np.array([40])
    rule = CoresetRule(centroids=8, least_rows=least_rows)
    coreset = build_coreset(ticks, np.array([-1], np.int32), counts, 40, rule)
    assert coreset.centroids.tolist() == [[77, 77, 77]]
    assert coreset.weights.tolist() == [40]

"""What a signature does not depend on, and that parts add up to the whole."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from msearch_sketch import Signature, SignatureError, merge
from msearch_sketch.errors import DatasetError
from msearch_sketch.sketcher import Sketcher
from msearch_sketch.spaces import CoresetRule, FeatureSpace, FourierFeatures, HashFamily, Partitioning

SPACE = FeatureSpace(
    modality="embedding",
    featuriser="test@1",
    dimension=3,
    hashing=HashFamily(projections=2, tables=4, widths_ticks=(128, 512), key_budget=24),
    fourier=FourierFeatures(features=4),
    partitioning=Partitioning(rows=4, most=5, dimensions=2, bins=4, low_ticks=-500, high_ticks=500),
    coreset=CoresetRule(centroids=8, least_rows=2, sample_rows=16, iterations=5),
)
NAMES = ("red", "green", "blue")
EXACT = ("levels", "table_offsets", "keys", "key_counts", "sums", "square_sums", "fourier_sums", "class_counts")


@st.composite
def datasets(draw, most: int = 120):
    """Rows from few to many distinct values, with and without labels."""
    rows = draw(st.integers(1, most))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    spread = draw(st.sampled_from([1, 30, 600]))
    ticks = rng.integers(-spread, spread + 1, (rows, 3)).astype(np.int16)
    classes = rng.integers(-1, 3, rows).astype(np.int32) if draw(st.booleans()) else None
    return ticks, classes


def sketch_rows(ticks, classes, batches=(), names=NAMES) -> Signature:
    sketcher = Sketcher(SPACE)
    cuts = [0, *sorted(cut % (len(ticks) + 1) for cut in batches), len(ticks)]
    for start, end in pairwise(cuts):
        sketcher.add(ticks[start:end], None if classes is None else classes[start:end])
    return sketcher.signature(() if classes is None else names)


def same(first: Signature, second: Signature, fields: tuple[str, ...]) -> None:
    for name in fields:
        assert np.array_equal(getattr(first, name), getattr(second, name)), name


@given(datasets())
def test_a_signature_is_well_formed_and_of_its_space(data):
    signature = sketch_rows(*data)
    signature.check_space(SPACE)
    assert Signature.from_bytes(signature.encoded) == signature
    assert int(signature.partitions[:, 0].sum()) == signature.row_count == len(data[0])


@given(datasets(), st.lists(st.integers(0, 1000), max_size=6))
def test_batches_leave_no_trace(data, batches):
    assert sketch_rows(*data, batches) == sketch_rows(*data)


@given(datasets(), st.randoms(use_true_random=False))
def test_order_of_rows_shows_in_partitions_alone(data, random):
    ticks, classes = data
    order = list(range(len(ticks)))
    random.shuffle(order)
    whole, shuffled = sketch_rows(*data), sketch_rows(ticks[order], None if classes is None else classes[order])
    same(whole, shuffled, (*EXACT, "centroids", "centroid_weights", "centroid_classes"))


@given(datasets())
def test_order_of_class_names_leaves_no_trace(data):
    ticks, classes = data
    if classes is None:
        classes = np.zeros(len(ticks), np.int32)
    renumbered = np.array([2, 0, 1, -1], np.int32)[classes]
    assert sketch_rows(ticks, renumbered, names=("green", "blue", "red")) == sketch_rows(ticks, classes)


@given(datasets())
def test_levels_are_the_least_that_keep_the_budget(data):
    signature = sketch_rows(*data)
    from msearch_sketch.hashing import bucket_keys

    keys = bucket_keys(data[0], SPACE.hashing)
    offsets = signature.table_offsets
    for resolution, level in enumerate(signature.levels.tolist()):

        def distinct(at: int, table: int, resolution: int = resolution) -> list[int]:
            column = np.unique(keys[:, resolution, table])
            return column[column % (1 << at) == 0].tolist()

        for table in range(4):
            at = resolution * 4 + table
            kept = signature.keys[offsets[at] : offsets[at + 1]]
            assert kept.tolist() == distinct(level, table)
            counts = signature.key_counts[offsets[at] : offsets[at + 1]]
            assert counts.tolist() == [int((keys[:, resolution, table] == key).sum()) for key in kept]
        assert sum(len(distinct(level, table)) for table in range(4)) <= SPACE.hashing.key_budget
        assert level == 0 or sum(len(distinct(level - 1, t)) for t in range(4)) > SPACE.hashing.key_budget


@given(datasets(), st.lists(st.integers(1, 119), max_size=4))
def test_merging_parts_equals_sketching_the_union(data, cuts):
    ticks, classes = data
    bounds = [0, *sorted({cut for cut in cuts if cut < len(ticks)}), len(ticks)]
    parts = [
        sketch_rows(ticks[start:end], None if classes is None else classes[start:end])
        for start, end in pairwise(bounds)
    ]
    merged, whole = merge(parts, SPACE), sketch_rows(*data)
    same(merged, whole, EXACT)
    assert (merged.row_count, merged.classes) == (whole.row_count, whole.classes)
    assert np.array_equal(merged.partitions.sum(axis=0), whole.partitions.sum(axis=0))
    merged.check_space(SPACE)
    assert Signature.from_bytes(merged.encoded) == merged
    same(merge(parts[::-1], SPACE), merged, (*EXACT, "centroids", "centroid_weights", "centroid_classes"))


@pytest.mark.parametrize(("first", "second"), [(4, 12), (16, 4), (20, 20), (40, 3)])
def test_merged_partitions_are_those_of_the_concatenation_where_full(first, second):
    ticks = np.random.default_rng(0).integers(-400, 400, (first + second, 3)).astype(np.int16)
    parts = [sketch_rows(ticks[:first], None), sketch_rows(ticks[first:], None)]
    assert np.array_equal(merge(parts, SPACE).partitions, sketch_rows(ticks, None).partitions)


def test_merged_coreset_stays_close():
    """Approximate by design: the mean distance of rows to the nearest centroid grows by less than a quarter."""
    space = FeatureSpace(modality="embedding", featuriser="test@1", dimension=4, coreset=CoresetRule(centroids=32))
    rng = np.random.default_rng(0)
    centres = rng.integers(-4000, 4000, (12, 4))
    ticks = (centres[rng.integers(0, 12, 2000)] + rng.normal(0, 300, (2000, 4))).astype(np.int16)

    def sketched(rows) -> Signature:
        sketcher = Sketcher(space)
        sketcher.add(rows)
        return sketcher.signature()

    def spacing(signature: Signature) -> float:
        gaps = ticks[:, None].astype(float) - signature.centroids[None]
        return float(np.sqrt((gaps**2).sum(axis=2)).min(axis=1).mean())

    merged = merge([sketched(ticks[i::4]) for i in range(4)], space)
    assert spacing(merged) < 1.25 * spacing(sketched(ticks))
    assert int(merged.centroid_weights.sum()) <= 2000


def test_merging_refuses_what_does_not_belong():
    signature = sketch_rows(np.zeros((5, 3), np.int16), None)
    other = FeatureSpace(modality="embedding", featuriser="test@1", dimension=3)
    with pytest.raises(SignatureError, match="no signature"):
        merge([], SPACE)
    with pytest.raises(SignatureError, match="is of space"):
        merge([signature], other)


def test_sketcher_refuses_what_it_cannot_hold():
    with pytest.raises(DatasetError, match="no row"):
        Sketcher(SPACE).signature()
    with pytest.raises(DatasetError, match="are they classes"):
        Sketcher(SPACE).add(np.zeros((1, 3), np.int16), np.array([40_000]))
    with pytest.raises(ValueError, match="3 features"):
        Sketcher(SPACE).add(np.zeros((1, 2), np.int16))
    with pytest.raises(ValueError, match="2 rows have 1"):
        Sketcher(SPACE).add(np.zeros((2, 3), np.int16), np.array([0]))


@settings(max_examples=20)
@given(st.integers(0, 2**32))
def test_fourier_sums_give_the_gaussian_kernel(seed):
    """Mean of cos(omega (x - y)) over many omega is exp(-|x - y|^2 / (2 bandwidth^2))."""
    from msearch_sketch.fourier import COSINE_UNIT, fourier_sums

    features = FourierFeatures(features=4000, bandwidth_ticks=1024)
    rng = np.random.default_rng(seed)
    rows = rng.integers(-700, 700, (2, 5)).astype(np.int16)
    first, second = (fourier_sums(row[None], features) / COSINE_UNIT for row in rows)
    distance = np.linalg.norm(rows[0].astype(float) - rows[1])
    assert first @ second / 4000 == pytest.approx(np.exp(-(distance**2) / (2 * 1024**2)), abs=0.06)

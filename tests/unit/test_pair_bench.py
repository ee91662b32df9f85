"""What the benchmark of pair features leaves out, and how it scales."""

from __future__ import annotations

import numpy as np

from benchmarks.bench_pair_features import NEW, PARTS, variants
from benchmarks.quality.pair_spaces import Features
from msearch_sketch import get_featuriser
from msearch_sketch.featurisers.base import Columns
from msearch_sketch.featurisers.pairs_similarity_2 import STRETCHES
from msearch_sketch.phrase_comparison import LIKENESSES

COLUMNS = Columns(("left_t", "right_t"), ("string", "string"))


def test_every_feature_is_of_one_part():
    assert sorted(name for names in PARTS.values() for name in names) == sorted(LIKENESSES) == sorted(STRETCHES)


def test_variants_keep_the_other_features_as_they_are():
    space = get_featuriser(NEW).fixed_space(COLUMNS)
    ticks = np.arange(2 * space.dimension, dtype=np.int16).reshape(2, -1)
    rows = {"a": ticks}
    found = variants(Features(space, rows, rows, rows, {"a": np.zeros(2, np.int32)}, 0.0))
    assert len(found) == len(PARTS) + 1
    without = found[f"{NEW} without numbers"]
    assert without.space.dimension == space.dimension - len(PARTS["numbers"])
    kept = [place for place, name in enumerate(LIKENESSES) if name not in PARTS["numbers"]]
    for part in (without.sources, without.samples, without.targets):
        np.testing.assert_array_equal(part["a"], ticks[:, kept])


def test_one_stretch_gives_all_features_the_same_range():
    space = get_featuriser(NEW).fixed_space(COLUMNS)
    ends = np.rint(np.array([[-0.5], [0.5]]) * np.array([STRETCHES[name] for name in LIKENESSES]) * 1024)
    rows = {"a": ends.astype(np.int16)}
    scaled = variants(Features(space, rows, rows, rows, {}, 0.0))[f"{NEW}, one stretch"].targets["a"]
    assert np.ptp(scaled, axis=0).min() > 0
    assert np.ptp(np.ptp(scaled, axis=0)) <= 2

"""Values of the scores computed by hand or by a plain second implementation."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from msearch_sketch.signature import Signature
from msearch_sketch.spaces import TICKS_PER_UNIT, FeatureSpace, FourierFeatures, Partitioning
from search_service.domain.ranking import ScoreValues, Source
from search_service.scores import find_scores
from search_service.scores._partitions import TAU, jensen_shannon
from search_service.scores.coverage_knn import null_value
from tests.signatures import blank_signature, keyed_signature, sketched, validated

SPACE = FeatureSpace(modality="embedding", featuriser="test@1", dimension=2)
SCORES = find_scores()


def compute(name: str, target: Signature, *sources: Signature, claimed: float | None = None) -> ScoreValues:
    return SCORES[name].compute(target, [Source(source, claimed) for source in sources], SPACE)


def value(name: str, target: Signature, source: Signature) -> float:
    result = compute(name, target, source)
    assert result.details == {}
    return float(result.values[0])


def keyed(*tables: dict[int, int], levels: Sequence[int] = (0,)) -> Signature:
    return keyed_signature(tables, levels, space_digest=SPACE.digest)


def blank(**fields: Any) -> Signature:
    return blank_signature(space_digest=SPACE.digest, **fields)


def coreset(points: Sequence[Sequence[int]], weights: Sequence[int] | None = None) -> Signature:
    weights = weights or [3] * len(points)
    return blank(
        row_count=sum(weights),
        centroids=np.array(points, np.int16),
        centroid_weights=np.array(weights, np.uint32),
        centroid_classes=np.full(len(points), -1, np.int16),
    )


def histograms(*partitions: Sequence[int]) -> Signature:
    """One dimension; as many bins as numbers are given."""
    return blank(row_count=100, partitions=np.array(partitions, np.uint32)[:, None, :])


# Hash keys. Two tables; of T's 10 + 10 rows, 4 + 0 lie in buckets of S.
TARGET = keyed({1: 4, 2: 6}, {8: 10})
SOURCE = keyed({1: 1, 3: 1}, {2: 2})


def test_adaptivity_counts_rows_and_containment_counts_keys() -> None:
    assert value("adaptivity", TARGET, SOURCE) == pytest.approx(4 / 20)
    assert value("adaptivity", SOURCE, TARGET) == pytest.approx(1 / 4)
    assert value("containment", TARGET, SOURCE) == pytest.approx(1 / 3)
    assert value("containment_of_source", TARGET, SOURCE) == pytest.approx(1 / 3)
    assert value("jaccard", TARGET, SOURCE) == pytest.approx(1 / 5)
    assert compute("adaptivity", TARGET, SOURCE).support.tolist() == [20]


def test_a_key_counts_only_in_its_own_table() -> None:
    assert value("adaptivity", keyed({5: 1}, {}), keyed({}, {5: 1})) == 0


def test_adaptivity_is_the_mean_over_resolutions_with_evidence() -> None:
    target = keyed({1: 3, 2: 1}, {4: 4}, {}, levels=(0, 0, 0))
    source = keyed({1: 1}, {4: 1}, {9: 1}, levels=(0, 0, 0))
    assert value("adaptivity", target, source) == pytest.approx((3 / 4 + 1) / 2)
    assert compute("adaptivity", target, source).support.tolist() == [8]


def test_keys_are_compared_at_the_larger_level() -> None:
    target = keyed({1: 5, 2: 3, 4: 2})
    sampled = keyed({4: 1}, levels=(1,))  # 1 was left out by the source, 2 was not there
    assert value("adaptivity", target, sampled) == pytest.approx(2 / 5)
    assert value("adaptivity", sampled, target) == 1
    assert value("containment", target, sampled) == pytest.approx(1 / 2)
    assert value("jaccard", target, sampled) == pytest.approx(1 / 2)


def test_no_key_at_the_common_level_is_no_evidence() -> None:
    result = compute("adaptivity", keyed({1: 5}), keyed({4: 1}, levels=(2,)))
    assert np.isnan(result.values[0])
    assert "sampling level" in result.details[0]


def test_the_largest_keys_are_told_apart() -> None:
    high = 2**32 - 1
    assert value("adaptivity", keyed({0: 1, high - 1: 1, high: 2}), keyed({high: 1})) == pytest.approx(1 / 2)


# Partitions.
def test_jsd_of_disjoint_and_equal_histograms() -> None:
    assert value("jsd", histograms([4, 0]), histograms([0, 9])) == pytest.approx(math.log(2))
    assert value("hellinger", histograms([4, 0]), histograms([0, 9])) == pytest.approx(1)
    assert value("jsd", histograms([4, 0]), histograms([3, 0], [5, 0])) == pytest.approx(0, abs=1e-12)


def test_jsd_and_hellinger_by_hand() -> None:
    target, source = histograms([1, 1]), histograms([2, 0])
    expected = (math.log(0.5 / 0.75) / 2 + 0.5 * math.log(0.5 / 0.25) + math.log(1 / 0.75)) / 2
    assert value("jsd", target, source) == pytest.approx(expected)
    assert value("hellinger", target, source) == pytest.approx(math.sqrt(1 - math.sqrt(0.5)))


def test_jsd_sees_an_affine_change() -> None:
    rows = np.random.default_rng(0).integers(-20, 20, (256, 2))
    assert value("jsd", sketched(rows, SPACE), sketched(50 * rows + 1000, SPACE)) > 0.1


def test_partition_coverage_is_bounded_and_the_pair_count_grows_with_the_source() -> None:
    target = histograms([9, 1], [1, 9], [5, 5])
    source = histograms([9, 1], [8, 2])
    assert value("adaptivity_jsd", target, source) == pytest.approx(2 / 3)
    pairs = value("adaptivity_paircount", target, source)
    assert pairs == pytest.approx(3 / 3)
    tenfold = blank(row_count=1000, partitions=np.tile(source.partitions, (10, 1, 1)))
    assert value("adaptivity_jsd", target, tenfold) == pytest.approx(2 / 3)
    assert value("adaptivity_paircount", target, tenfold) == pytest.approx(10 * pairs)


def test_partition_matches_are_exactly_those_of_the_definition() -> None:
    generator = np.random.default_rng(5)
    rows = [generator.multinomial(64, generator.dirichlet(np.full(8, 4.0)), 12) for _ in range(2)]
    target, source = (blank(row_count=800, partitions=part[:, None, :].astype(np.uint32)) for part in rows)
    divergences = np.array([[float(jensen_shannon(p / 64, q / 64)) for q in rows[1]] for p in rows[0]])
    similar = divergences <= TAU
    assert 0 < similar.sum() < similar.size
    assert value("adaptivity_paircount", target, source) == pytest.approx(similar.sum() / 12)
    assert value("adaptivity_jsd", target, source) == pytest.approx(similar.any(axis=1).mean())


# Coresets.
def test_nearest_by_hand() -> None:
    source = coreset([[0, 0], [0, 20], [0, 50]])
    target = coreset([[30, 20], [0, 20]], [3, 9])  # spacing 30
    assert value("nearest", target, source) == pytest.approx(-(3 * math.log(1 + 1) + 9 * math.log(1 + 0)) / 12)


def test_nearest_does_not_reward_a_source_for_being_spread_out() -> None:
    target = coreset([[0, 0], [0, 10]])
    dense, sparse = coreset([[5, 0], [5, 1]]), coreset([[5, 0], [5, 900]])
    assert value("nearest", target, dense) > value("nearest", target, sparse)


def test_nearest_is_exact_far_from_the_origin() -> None:
    target = coreset([[8191, 8191], [8191, 8189]])  # spacing 2
    assert value("nearest", target, coreset([[8190, 8190]])) == pytest.approx(-math.log(1 + math.sqrt(2) / 2))


def test_coverage_knn_by_hand() -> None:
    target = coreset([[100 * i, 0] for i in range(6)], [3, 3, 3, 3, 3, 15])  # fifth neighbours: 500, 400, 300, ...
    source = coreset([[0, 499]])
    # |t - s| < NND_5(t) holds for t = 0 alone (499 < 500).
    expected = (3 / 30) / null_value(6, 1)
    assert value("coverage_knn", target, source) == pytest.approx(expected)
    result = compute("coverage_knn", coreset([[0, 0]] * 5), source)
    assert np.isnan(result.values[0])
    assert "6 are needed" in result.details[0]


def test_the_null_value_of_coverage_is_its_expectation_over_all_orders() -> None:
    # t is covered if its k nearest among the N - 1 other t and the M s include an s; all orders are equally likely.
    for n, m, k in [(4, 2, 1), (4, 3, 2), (6, 1, 5)]:
        orders = list(itertools.permutations("t" * (n - 1) + "s" * m))
        covered = sum("s" in order[:k] for order in orders) / len(orders)
        assert null_value(n, m, k) == pytest.approx(covered)
    assert null_value(100, 100) == pytest.approx(1 - math.prod((100 - i) / (200 - i) for i in range(1, 6)))


# Moments.
def moments(rows: Sequence[Sequence[int]]) -> Signature:
    values = np.array(rows, np.int64)
    return blank(row_count=len(values), sums=values.sum(axis=0), square_sums=(values**2).sum(axis=0))


def test_moments_by_hand() -> None:
    unit = TICKS_PER_UNIT
    target, source = moments([[3 * unit, 0], [3 * unit, 8 * unit]]), moments([[0, 0]])
    assert value("l2", target, source) == pytest.approx(5)
    assert value("frechet", target, source) == pytest.approx(25 + 16)
    assert value("cosine", target, moments([[0, 7]])) == pytest.approx(4 / 5)
    assert "zero" in compute("cosine", target, source).details[0]


def test_mmd_is_the_unbiased_mean_over_pairs_of_rows() -> None:
    space = FeatureSpace(
        modality="embedding",
        featuriser="test@1",
        dimension=2,
        fourier=FourierFeatures(features=4096),
        partitioning=Partitioning(rows=4),
    )
    generator = np.random.default_rng(2)
    left = generator.integers(-1500, 1500, (14, 2))
    right = generator.integers(-500, 2500, (9, 2))

    def kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        squares = ((a[:, None] - b[None]) ** 2).sum(axis=2)
        return np.exp(-squares / (2 * space.fourier.bandwidth_ticks**2))

    n, m = len(left), len(right)
    within = (kernel(left, left).sum() - n) / (n * (n - 1)) + (kernel(right, right).sum() - m) / (m * (m - 1))
    exact = within - 2 * kernel(left, right).mean()
    estimate = SCORES["mmd"].compute(sketched(left, space), [Source(sketched(right, space))], space).values[0]
    assert estimate == pytest.approx(exact, abs=0.03)  # 4096 random features: about 1 / sqrt(4096) = 0.016


def test_mmd_of_one_distribution_is_zero_on_average_however_few_the_rows() -> None:
    generator = np.random.default_rng(4)
    target = sketched(np.rint(generator.normal(0, 700, (2000, 2))).astype(np.int64), SPACE)
    small = [sketched(np.rint(generator.normal(0, 700, (8, 2))).astype(np.int64), SPACE) for _ in range(200)]
    values = compute("mmd", target, *small).values
    assert abs(values.mean()) < 4 * values.std() / math.sqrt(200)
    assert values.mean() < 0.02  # the plug-in estimate would give about 1/8


def test_source_accuracy_prefers_what_was_measured() -> None:
    measured = validated(moments([[1, 1]] * 3), 0.75, count=40)
    result = compute("source_accuracy", measured, measured, claimed=0.99)
    assert (result.values.tolist(), result.support.tolist()) == ([0.75], [40])
    result = compute("source_accuracy", measured, moments([[1, 1]]), claimed=0.99)
    assert (result.values.tolist(), result.support.tolist()) == ([0.99], [0])
    assert 0 in compute("source_accuracy", measured, moments([[1, 1]])).details


def test_source_accuracy_prefers_the_models_own_validation() -> None:
    of_signature = validated(moments([[1, 1]] * 3), 0.75)
    assert of_signature.validation is not None
    own = replace(of_signature.validation, accuracy=0.125, count=40)
    sources = [Source(of_signature, 0.9, own), Source(of_signature, 0.9), Source(moments([[1, 1]]), 0.9)]
    told = SCORES["source_accuracy"].compute(of_signature, sources, SPACE)
    assert told.values.tolist() == [0.125, of_signature.validation.accuracy, 0.9]
    assert told.support.tolist() == [40, of_signature.validation.count, 0]

"""Has a target moved away from its base: verdicts on rows whose difference is known."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from msearch_sketch import SignatureError, SketchError, default_space, open_dataset
from msearch_sketch.class_shifts import compare_shares, nearest_classes
from msearch_sketch.drift import Drift, compare_rows, compare_signatures, judge
from msearch_sketch.labelled_points import LabelledPoints, read_labelled_points
from msearch_sketch.row_coverage import bucket_coverage, measure_reach, signature_coverage
from msearch_sketch.signature import Signature
from msearch_sketch.sketcher import Sketcher
from msearch_sketch.spaces import FeatureSpace
from msearch_sketch.two_sample_tests import TestResult, kernel_test, signature_test

SPACE = FeatureSpace(modality="embedding", featuriser="embedding-vector@1", parameters={"length": 6}, dimension=6)
SCALE = 512


def rows(seed: int, count: int = 300, shift: float = 0.0, scale: float = 1.0) -> NDArray[np.int16]:
    """Normal rows in ticks; `shift` moves the first feature by so many standard deviations."""
    values = np.random.default_rng(seed).normal(0, scale, (count, 6))
    values[:, 0] += shift
    return np.rint(values * SCALE).astype(np.int16)


def signature(
    ticks: NDArray[np.int16], classes: NDArray[np.int64] | None = None, names: tuple[str, ...] = ()
) -> Signature:
    sketcher = Sketcher(SPACE)
    sketcher.add(ticks, classes)
    return sketcher.signature(names)


def points(
    ticks: NDArray[np.int16], classes: NDArray[np.int64] | None = None, names: tuple[str, ...] = ()
) -> LabelledPoints:
    return LabelledPoints(ticks, np.arange(len(ticks)), classes, names)


def by_rows(target: NDArray[np.int16], base: NDArray[np.int16]) -> Drift:
    return compare_rows(points(target), points(base), (signature(target), signature(base)))


def by_signatures(target: NDArray[np.int16], base: NDArray[np.int16]) -> Drift:
    return compare_signatures(signature(target), signature(base), space=SPACE, rows=points(target))


@pytest.mark.parametrize("compare", [by_rows, by_signatures])
def test_rows_of_one_distribution_have_not_moved(compare: object) -> None:
    found = compare(rows(1), rows(2))  # type: ignore[operator]
    assert found.verdict == "NONE"
    assert found.p_value > 0.01
    assert found.effect < 0.005
    assert (found.base_rows, found.target_rows) == (300, 300)


@pytest.mark.parametrize("compare", [by_rows, by_signatures])
def test_a_shift_of_two_deviations_has_moved(compare: object) -> None:
    found = compare(rows(1, shift=2.0), rows(2))  # type: ignore[operator]
    assert found.verdict == "MOVED"
    assert found.p_value <= 0.001
    assert found.coverage < compare(rows(1), rows(2)).coverage  # type: ignore[operator]


def test_a_small_shift_of_many_rows_is_slight() -> None:
    found = by_rows(rows(1, 2_000, shift=0.25), rows(2, 2_000))
    assert (found.verdict, found.basis) == ("SLIGHT", "rows")
    assert found.p_value <= 0.001


def test_a_wider_spread_is_found_without_a_shift() -> None:
    for compare in (by_rows, by_signatures):
        found = compare(rows(1, scale=2.0), rows(2))
        assert found.verdict == "MOVED"
    assert by_rows(rows(1, scale=2.0), rows(2)).uncovered > 0.2


def test_outliers_are_named_by_their_row_the_farthest_first() -> None:
    target = rows(3)
    target[17] = 6 * SCALE
    target[200] = 4 * SCALE
    moved = LabelledPoints(target, np.arange(300) + 5)  # five rows before could not be read
    base = rows(4)
    found = compare_rows(moved, points(base), (signature(target), signature(base)))
    assert [outlier.row for outlier in found.outliers[:2]] == [22, 205]
    assert found.outliers[0].distance is not None
    assert found.outliers[0].distance > found.outliers[1].distance > 1  # type: ignore[operator]
    named = compare_signatures(signature(target), signature(base), space=SPACE, rows=moved)
    assert 22 in {outlier.row for outlier in named.outliers}
    assert named.outliers[0].distance is None


def test_reach_is_in_units_of_the_others_own_spread() -> None:
    line = np.arange(0, 100, 10)[:, None]  # every neighbour is 10 away
    reach = measure_reach(np.array([[5], [95], [110], [130]]), line)
    assert reach.radius == 10
    np.testing.assert_allclose(reach.distances, [0.5, 0.5, 2.0, 4.0])
    assert reach.uncovered.tolist() == [False, False, True, True]


def test_coverage_by_row_averages_to_the_signatures_coverage() -> None:
    target, base = rows(5, 60), rows(6, 60)
    other = signature(base)
    assert not other.levels.any()
    shares = bucket_coverage(target, other, SPACE)
    assert float(shares.mean()) == pytest.approx(signature_coverage(signature(target), other))
    assert bucket_coverage(base, other, SPACE).tolist() == [1.0] * 60
    assert signature_coverage(other, other) == 1


def test_counted_classes_tell_their_shift() -> None:
    base_classes, target_classes = np.repeat([0, 1], [150, 150]), np.repeat([0, 1, 2], [210, 60, 30])
    found = compare_rows(
        points(rows(1), target_classes, ("cat", "dog", "eel")),
        points(rows(2), base_classes, ("cat", "dog")),
        (signature(rows(1)), signature(rows(2))),
    )
    assert found.classes_counted
    assert [(shift.name, shift.base, shift.target) for shift in found.class_shifts] == [
        ("dog", 0.5, 0.2),
        ("cat", 0.5, 0.7),
        ("eel", 0.0, 0.1),
    ]
    assert all(shift.p_value < 0.001 for shift in found.class_shifts)


def test_unlabelled_targets_take_the_classes_of_the_nearest_base_rows() -> None:
    base, classes = rows(2), np.repeat([0, 1], [150, 150])
    base[150:, 1] += 4 * SCALE
    target = rows(1)
    target[30:, 1] += 4 * SCALE
    names = ("cat", "dog")
    found = compare_rows(points(target), points(base, classes, names), (signature(target), signature(base)))
    assert not found.classes_counted
    assert {shift.name: round(shift.target, 1) for shift in found.class_shifts} == {"cat": 0.1, "dog": 0.9}
    told = compare_signatures(signature(target), signature(base, classes, names))
    assert {shift.name: round(shift.target, 1) for shift in told.class_shifts} == {"cat": 0.1, "dog": 0.9}
    assert compare_rows(points(target), points(base), (signature(target), signature(base))).class_shifts == ()


def test_shares_of_nothing_cannot_be_compared() -> None:
    assert compare_shares({"a": 0}, {"a": 3}) == ()
    assert nearest_classes(None, np.array([[0], [1], [9]]), np.array([5, 6, 7])).tolist() == [6, 5, 6]


@pytest.mark.parametrize(
    ("p_value", "effect", "uncovered", "verdict"),
    [
        (0.02, 0.9, 0.9, "NONE"),
        (0.01, 0.009, 0.059, "SLIGHT"),
        (0.01, 0.01, 0.0, "MOVED"),
        (0.001, 0.0, 0.061, "MOVED"),
    ],
)
def test_the_rule_of_the_verdict(p_value: float, effect: float, uncovered: float, verdict: str) -> None:
    assert judge(TestResult(p_value, 0.0, effect), uncovered, 0.01) == verdict


def test_the_effect_does_not_grow_with_the_rows() -> None:
    small = kernel_test(rows(1, 150, shift=1.0), rows(2, 150))
    large = kernel_test(rows(1, 1_500, shift=1.0), rows(2, 1_500), permutations=99)
    assert small.effect == pytest.approx(large.effect, rel=0.3)
    assert signature_test(signature(rows(1, 150, shift=1.0)), signature(rows(2, 150))).effect == pytest.approx(
        signature_test(signature(rows(1, 1_500, shift=1.0)), signature(rows(2, 1_500))).effect, rel=0.3
    )


def test_very_many_rows_are_thinned_under_their_own_numbers() -> None:
    target = rows(1, 45_000)
    target[44_999] = 7 * SCALE
    base = rows(2)
    found = by_rows(target, base)
    assert found.target_rows == 45_000
    assert 44_999 in [outlier.row for outlier in found.outliers]
    assert found.verdict == "NONE"


def test_too_few_rows_levels_and_other_spaces_are_refused() -> None:
    few = rows(1, 4)
    with pytest.raises(SketchError, match="the target has 4 readable rows; at least 5"):
        compare_rows(points(few), points(rows(2)), (signature(few), signature(rows(2))))
    with pytest.raises(SketchError, match=r"a level of 0\.0001 needs at least 9999 permutations"):
        compare_rows(points(rows(1)), points(rows(2)), (signature(rows(1)), signature(rows(2))), alpha=0.0001)
    with pytest.raises(SketchError, match="alpha must lie between 0 and 1"):
        compare_signatures(signature(rows(1)), signature(rows(2)), alpha=1.5)
    other = Sketcher(FeatureSpace(modality="embedding", featuriser="embedding-vector@1", dimension=6))
    other.add(rows(2))
    with pytest.raises(SignatureError, match="different feature spaces"):
        compare_signatures(signature(rows(1)), other.signature())


def test_few_rows_are_said() -> None:
    found = by_rows(rows(1, 30), rows(2))
    assert found.notices == ("only 30 rows on one side: a drift must be large to be found",)


def test_points_keep_the_numbers_and_classes_of_readable_rows() -> None:
    table = pa.table({"text": ["one", None, "three", "four", "five", "six"], "label": ["a", "a", None, "b", "b", "a"]})
    dataset = open_dataset(table, labels="label")
    found = read_labelled_points(dataset, default_space(dataset))
    assert found.numbers.tolist() == [0, 2, 3, 4, 5]
    assert found.classes is not None
    assert [found.names[at] if at >= 0 else None for at in found.classes] == ["a", None, "b", "b", "a"]
    unlabelled = open_dataset(table.drop_columns(["label"]))
    assert read_labelled_points(unlabelled, default_space(unlabelled)).classes is None

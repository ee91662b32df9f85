"""What counts as a wrong output, and what is said of it."""

from __future__ import annotations

import numpy as np
import pytest

from profiler_agent.errors import WrongOutput
from profiler_agent.verification import check_batch_invariance, compare, judge_caching, top_classes
from profiler_agent.work import Precision

SCORES = np.array([[2.0, 1.0, 0.0], [0.0, 3.0, 1.0], [1.0, 0.0, 4.0]], dtype=np.float32)


@pytest.mark.parametrize(
    ("outputs", "words"),
    [
        ({}, "output 'y' is missing; there are none"),
        ({"z": SCORES}, "output 'y' is missing; there are 'z'"),
        ({"y": SCORES[:2]}, "output 'y' has 2 rows for 3 rows"),
        ({"y": np.float32(1.0)}, "output 'y' has no rows for 3 rows"),
        ({"y": SCORES[:, :2]}, r"output 'y' has the shape \[3, 2\], the reference \[3, 3\]"),
        ({"y": SCORES.astype(np.int64)}, "output 'y' is of type int64, the reference of float32"),
        ({"y": SCORES * np.nan}, "9 of 9 differ, the first in row 0 with nan for 2"),
        ({"y": SCORES * 0}, "output 'y' is zero throughout"),
        ({"y": SCORES[[1, 1, 1]]}, "output 'y' is the same for all 3 rows"),
    ],
)
def test_broken_outputs_are_named(outputs: dict[str, np.ndarray], words: str) -> None:
    with pytest.raises(WrongOutput, match=words):
        compare({"y": SCORES}, outputs, Precision.FP32)


@pytest.mark.parametrize(
    ("precision", "allowed"), [(Precision.FP32, 1e-4), (Precision.BF16, 3e-2), (Precision.FP16, 5e-3)]
)
def test_each_precision_class_has_its_tolerance(precision: Precision, allowed: float) -> None:
    near, far = SCORES.copy(), SCORES.copy()
    near[0, 0] += 4.0 * allowed * 0.9
    far[0, 0] += 4.0 * allowed * 1.1
    assert compare({"y": SCORES}, {"y": near}, precision).problem == ""
    problem = compare({"y": SCORES}, {"y": far}, precision).problem
    assert problem == (
        f"it differs from the reference by {allowed * 1.1:.2g} of the largest value, {precision} may by {allowed:g}"
    )


def test_int8_is_judged_by_its_answers_not_its_numbers() -> None:
    found = compare({"y": SCORES}, {"y": SCORES + np.float32(1.5)}, Precision.INT8_STATIC)
    assert found.problem == ""
    assert found.top1_agreement == 1.0
    other = compare({"y": SCORES}, {"y": SCORES[[1, 1, 2]]}, Precision.INT8_STATIC)
    assert other.top1_agreement == pytest.approx(2 / 3)


def test_without_classes_rows_agree_by_value() -> None:
    values = np.array([1.0, 2.0, 4.0])
    found = compare({"y": values}, {"y": np.array([1.0, 2.1, 4.3])}, Precision.INT8_STATIC)
    assert found.top1_agreement is None
    assert found.agreed.tolist() == [True, True, False]


def test_labels_are_compared_as_labels() -> None:
    labels = np.array(["a", "b", "a"], dtype=object)
    found = compare({"label": labels, "p": SCORES}, {"label": labels[[0, 1, 1]], "p": SCORES}, Precision.FP32)
    assert found.agreed.tolist() == [True, True, False]
    assert found.max_difference == 0.0
    alone = compare({"label": labels}, {"label": labels[[0, 1, 1]]}, Precision.FP32)
    assert (alone.sqnr_db, alone.problem) == (None, "its labels agree with the reference in 2 of 3 rows")


def test_top_classes_of_scores_of_one_score_and_of_labels() -> None:
    assert top_classes(SCORES).tolist() == [0, 1, 2]
    assert top_classes(np.array([[0.2], [0.8]])).tolist() == [False, True]
    assert top_classes(np.array([[3], [5]])).tolist() == [3, 5]


def test_a_variant_in_a_narrower_type_is_compared_by_value() -> None:
    assert compare({"y": SCORES}, {"y": SCORES.astype(np.float16)}, Precision.FP16).problem == ""


def test_huge_values_do_not_overflow() -> None:
    huge = np.array([[1e308, -1e308], [1e300, 1e307]])
    assert compare({"y": huge}, {"y": -huge}, Precision.FP32).problem
    assert compare({"y": huge}, {"y": huge}, Precision.FP32).problem == ""


def test_rows_of_a_batch_must_not_influence_each_other() -> None:
    assert check_batch_invariance({"y": SCORES[1:2]}, {"y": SCORES}, 1, Precision.FP32) == 0.0
    with pytest.raises(WrongOutput, match="row 1 alone differs from the same row in a batch by"):
        check_batch_invariance({"y": SCORES[1:2] - np.float32(1.0)}, {"y": SCORES}, 1, Precision.FP32)
    with pytest.raises(WrongOutput, match=r"has the shape \[3, 3\] for row 1 alone, \[3, 3\] for a batch of 3"):
        check_batch_invariance({"y": SCORES}, {"y": SCORES}, 1, Precision.FP32)
    labels = np.array([0, 1, 2])
    with pytest.raises(WrongOutput, match="another label"):
        check_batch_invariance({"y": labels[:1]}, {"y": labels}, 1, Precision.FP32)


def test_a_caching_target_is_told_from_latencies() -> None:
    distinct = np.linspace(0.9e6, 1.1e6, 50)
    verdict = judge_caching(distinct, distinct / 10)
    assert verdict.cached
    assert verdict.detail == (
        "repeated samples take 0.10 of the time of distinct ones (0.1 of 1 ms): answers seem to be kept"
    )
    assert not judge_caching(distinct, distinct * 0.9).cached  # warm processor caches
    assert not judge_caching(np.full(50, 1e6), np.full(50, 1e6)).cached
    with pytest.raises(ValueError, match="20 of each are needed"):
        judge_caching(distinct, distinct[:19])

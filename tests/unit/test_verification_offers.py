"""Which variants are offered, and the words of the decision."""

from __future__ import annotations

import numpy as np
import pytest

from profiler_agent.verification import Loss, SpeedUp, accuracy_loss, decide, disagreement, right_answers, speed_up
from profiler_agent.work import Precision, Variant

INT8 = Variant(backend="onnxruntime", precision=Precision.INT8_STATIC)
FP32 = Variant(backend="onnxruntime")
FAST = SpeedUp(ratio=1.5, low=1.3, high=1.7, pairs=5)
SAFE = Loss(value=0.0, upper=0.008, rows=400, labelled=True)


def test_a_fast_and_right_variant_is_offered_with_its_numbers() -> None:
    offer = decide(INT8, FAST, SAFE, 0.01)
    assert offer.offered
    assert offer.reason == (
        "offered: 1.50 times as fast (95 %: 1.30 to 1.70) than fp32; it loses accuracy of 0 % of 400 labelled rows,"
        " at most 0.8 % at 95 %, within 1 %"
    )
    assert (offer.speed_up, offer.low, offer.high) == (1.5, 1.3, 1.7)


def test_a_variant_that_is_not_surely_faster_is_rejected() -> None:
    offer = decide(INT8, SpeedUp(ratio=1.1, low=0.98, high=1.24, pairs=5), SAFE, 0.01)
    assert not offer.offered
    assert offer.reason == ("rejected: it is not surely faster than fp32: 1.10 times as fast (95 %: 0.98 to 1.24)")


def test_too_few_rows_say_how_many_would_be_needed() -> None:
    offer = decide(INT8, FAST, disagreement(np.ones(64, dtype=np.bool_)), 0.01)
    assert not offer.offered
    assert offer.reason == (
        "rejected: it answers otherwise in 0 % of 64 rows, at most 4.57 % at 95 %, more than 1 %;"
        " 299 rows with the same share would be needed to tell"
    )


def test_a_loss_that_is_too_large_itself_asks_for_no_rows() -> None:
    right = np.ones(100, dtype=np.bool_)
    offer = decide(INT8, FAST, accuracy_loss(right, np.arange(100) >= 5), 0.01)
    assert offer.reason.startswith("rejected: it loses accuracy of 5 % of 100 labelled rows, at most 10.2 % at 95 %")
    assert "needed" not in offer.reason


def test_every_fault_is_listed() -> None:
    offer = decide(
        INT8, SpeedUp(ratio=0.5, low=0.4, high=0.6, pairs=5), Loss(value=0.2, upper=0.3, rows=50, labelled=True), 0.01
    )
    assert "not surely faster" in offer.reason
    assert "at most 30 % at 95 %" in offer.reason


def test_fp32_is_the_yardstick_and_offered_if_it_is_right() -> None:
    assert decide(FP32, None, None, 0.01).offered
    wrong = decide(FP32, None, None, 0.01, problem="it differs from the reference by 0.2 of the largest value")
    assert not wrong.offered
    assert wrong.reason == "rejected: it differs from the reference by 0.2 of the largest value"


def test_what_is_missing_is_said() -> None:
    offer = decide(INT8, None, None, 0.01)
    assert "fp32 on onnxruntime was not measured" in offer.reason
    assert "no rows to compare" in offer.reason
    single = decide(INT8, speed_up([2.0], [1.0]), SAFE, 0.01)
    assert single.reason == "rejected: 1 repeat gives no interval of the speed-up (2.00); two or more are needed"


def test_gains_and_losses_that_cancel_out_still_cost_certainty() -> None:
    reference, variant = np.ones(400, dtype=np.bool_), np.ones(400, dtype=np.bool_)
    reference[:20] = False
    variant[20:40] = False
    loss = accuracy_loss(reference, variant)
    assert loss.value == 0.0
    assert loss.upper > 0.02
    assert decide(INT8, FAST, loss, 0.01).reason.endswith("more rows would narrow it down")


def test_extra_repeats_of_one_side_are_left_out() -> None:
    assert speed_up([2.0, 2.0, 9.0], [1.0, 1.0]).ratio == pytest.approx(2.0)
    with pytest.raises(ValueError, match="must be positive"):
        speed_up([2.0], [0.0])
    with pytest.raises(ValueError, match="must be positive"):
        speed_up([], [1.0])


def test_answers_are_right_where_they_are_the_label() -> None:
    assert right_answers(np.array([1, 2, 3]), np.array([1, 0, 3])).tolist() == [True, False, True]
    with pytest.raises(ValueError, match="2 labels for 3 rows"):
        right_answers(np.array([1, 2, 3]), np.array([1, 0]))
    with pytest.raises(ValueError, match="cannot be compared"):
        accuracy_loss(np.ones(2, dtype=np.bool_), np.ones(3, dtype=np.bool_))

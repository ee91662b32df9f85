"""Comparing profiles: known answers, symmetry, how often chance decides."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from msearch_client import Answer, LocalError, Profile
from msearch_client._comparison import compare_profiles
from msearch_client._wire.profiles import profile_from_proto
from tests.scripted_service import make_measurement, make_profile


def profile(*runs_ms: float, **fields: Any) -> Profile:
    return profile_from_proto(make_profile(runs_ms=runs_ms, **fields))


STEADY = (1.0, 1.001, 0.999, 1.0, 1.002)


@pytest.mark.parametrize(
    ("scale", "answer"), [(1.0, Answer.SAME), (1.05, Answer.WORSE), (0.95, Answer.BETTER), (1.005, Answer.SAME)]
)
def test_steady_runs_give_a_clear_answer(scale: float, answer: Answer) -> None:
    found = compare_profiles(profile(*STEADY), profile(*(scale * value for value in STEADY), name="prf-2"))
    assert found.answer is answer
    assert found.effect == pytest.approx(scale - 1, abs=1e-9)
    assert found.low is not None
    assert found.high is not None
    assert found.low < found.effect < found.high
    assert (found.metric, found.first, found.second, found.notices) == ("p50_ms", "prf-1", "prf-2", ())


def test_more_is_better_for_throughput() -> None:
    def change(scale: float) -> Any:
        def apply(message: Any) -> None:
            for run, value in zip(message.runs, STEADY, strict=True):
                run.measurements.append(make_measurement("throughput_per_s", 100 * scale * value, "1/s"))

        return apply

    found = compare_profiles(
        profile(*STEADY, change=change(1.0)), profile(*STEADY, change=change(1.1)), metric="throughput_per_s"
    )
    assert found.answer is Answer.BETTER
    assert found.effect == pytest.approx(0.1)


def test_a_noisy_host_raises_what_a_difference_must_exceed() -> None:
    noisy = (1.0, 1.2, 0.9, 1.15, 0.95)
    found = compare_profiles(profile(*noisy), profile(*(value * 1.05 for value in noisy)))
    assert found.answer not in (Answer.BETTER, Answer.WORSE)
    assert found.threshold == found.noise > 0.15
    assert any("differ by" in notice for notice in found.notices)


def test_what_was_measured_earlier_counts_as_noise() -> None:
    slower = profile(*(1.05 * value for value in STEADY))
    assert compare_profiles(profile(*STEADY), slower).answer is Answer.WORSE
    restless = compare_profiles(profile(*STEADY), slower, earlier=[[1.0, 1.08, 0.99, 1.07]])
    assert restless.answer is not Answer.WORSE
    assert restless.threshold > 0.05


def test_one_run_decides_nothing() -> None:
    found = compare_profiles(profile(1.0), profile(2.0))
    assert (found.answer, found.low, found.high) == (Answer.AMBIGUOUS, None, None)
    assert found.effect == pytest.approx(1.0)
    assert any("two valid runs" in notice for notice in found.notices)


def test_runs_that_do_not_count_are_left_out() -> None:
    def spoil(message: Any) -> None:
        message.runs[0].verdict = 2
        message.runs[0].measurements[0].value = 1000.0

    assert compare_profiles(profile(*STEADY, change=spoil), profile(*STEADY)).first_value == pytest.approx(
        1.0, rel=0.01
    )


def test_equal_runs_to_the_last_digit_are_the_same() -> None:
    assert compare_profiles(profile(1.0, 1.0), profile(1.0, 1.0)).answer is Answer.SAME


def test_what_cannot_be_compared_is_refused() -> None:
    invalid = profile(*STEADY, verdict=2, reasons=[{"rule": "throttled", "detail": "x"}])
    with pytest.raises(LocalError, match=r"prf-1 is INVALID \(throttled\)"):
        compare_profiles(invalid, profile(*STEADY))
    with pytest.raises(LocalError, match="different classes"):
        compare_profiles(profile(*STEADY), profile(*STEADY, host_class="other"))
    with pytest.raises(LocalError, match="p95_ms was not measured"):
        compare_profiles(profile(*STEADY), profile(*STEADY), metric="p95_ms")
    with pytest.raises(LocalError, match="'speed' is not a quantity"):
        compare_profiles(profile(*STEADY), profile(*STEADY), metric="speed")
    with pytest.raises(LocalError, match="smallest effect"):
        compare_profiles(profile(*STEADY), profile(*STEADY), min_effect=1.0)
    with pytest.raises(LocalError, match="not above 0"):
        compare_profiles(profile(0.0, 1.0), profile(*STEADY))


def test_what_differs_besides_is_noted() -> None:
    other = profile(*STEADY, load_text="server:50", model_name="digits@2", versions={"onnxruntime": "1.30"})
    notices = compare_profiles(profile(*STEADY), other).notices
    assert [notice.partition(" differ")[0] for notice in notices] == ["the loads", "the models", "library versions"]


RUNS = st.lists(st.floats(0.5, 2.0), min_size=2, max_size=6)


@given(RUNS, RUNS)
def test_the_other_way_round_the_answer_is_turned(first: list[float], second: list[float]) -> None:
    turned = {Answer.BETTER: Answer.WORSE, Answer.WORSE: Answer.BETTER}
    forth = compare_profiles(profile(*first), profile(*second), min_effect=0.02)
    back = compare_profiles(profile(*second), profile(*first), min_effect=0.02)
    ends = [abs(math.log1p(value)) for value in (forth.low or 0.0, forth.high or 0.0, forth.effect)]
    if min(abs(end - math.log1p(forth.threshold)) for end in ends) > 1e-9:
        assert back.answer is turned.get(forth.answer, forth.answer)


def test_equal_things_are_rarely_called_different_and_a_slowdown_is_found() -> None:
    random = np.random.default_rng(7)
    wrong = found = 0
    for _ in range(200):
        first, again, slowed = np.exp(random.normal(0, 0.005, (3, 5)))
        answer = compare_profiles(profile(*first), profile(*again)).answer
        wrong += answer in (Answer.BETTER, Answer.WORSE)
        found += compare_profiles(profile(*first), profile(*(1.05 * slowed))).answer is Answer.WORSE
    assert wrong <= 4
    assert found >= 190

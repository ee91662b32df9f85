"""Mathematics of comparing outputs with the reference's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from profiler_agent.errors import WrongOutput
from profiler_agent.verification import compare, judge_caching
from profiler_agent.work import Precision

SCORES = arrays(np.float32, (6, 4), elements=st.floats(-100, 100, width=32))
SEEDS = st.integers(0, 2**32 - 1)


@given(SCORES, st.sampled_from(Precision))
def test_equal_outputs_have_no_fault(scores: np.ndarray, precision: Precision) -> None:
    found = compare({"y": scores}, {"y": scores.copy()}, precision)
    assert (found.max_difference, found.sqnr_db, found.top1_agreement, found.problem) == (0.0, np.inf, 1.0, "")


@given(SCORES, SEEDS, st.floats(1e-7, 0.3))
def test_the_difference_is_relative_and_the_sqnr_does_not_depend_on_the_unit(
    scores: np.ndarray, seed: int, error: float
) -> None:
    largest = float(np.abs(scores).max())
    assume(largest > 1e-3)
    wide = scores.astype(np.float64)
    noise = np.random.default_rng(seed).uniform(-error, error, scores.shape) * largest
    assume(np.any(wide + noise))
    found = compare({"y": wide}, {"y": wide + noise}, Precision.INT8_STATIC)
    assert found.max_difference == pytest.approx(np.abs(noise).max() / largest, rel=1e-6)
    assert found.sqnr_db == pytest.approx(10 * np.log10(np.sum(wide**2) / np.sum(noise**2)), abs=1e-4)
    scaled = compare({"y": wide * 1e3}, {"y": (wide + noise) * 1e3}, Precision.INT8_STATIC)
    assert scaled.max_difference == pytest.approx(found.max_difference)
    assert scaled.sqnr_db == pytest.approx(found.sqnr_db, abs=1e-6)


@given(SCORES, st.integers(0, 5), st.integers(0, 3), st.sampled_from([np.nan, np.inf, -np.inf]))
def test_what_is_not_finite_is_found_wherever_it_is(scores: np.ndarray, row: int, column: int, value: float) -> None:
    broken = scores.copy()
    broken[row, column] = value
    with pytest.raises(WrongOutput, match=f"the first in row {row}"):
        compare({"y": scores}, {"y": broken}, Precision.INT8_DYNAMIC)
    # What the reference gives too is no fault of the variant.
    assert compare({"y": broken}, {"y": broken.copy()}, Precision.FP32).problem == ""


@given(SCORES)
def test_silent_zeros_are_found(scores: np.ndarray) -> None:
    assume(np.any(scores))
    with pytest.raises(WrongOutput, match="zero throughout"):
        compare({"y": scores}, {"y": np.zeros_like(scores)}, Precision.FP16)


@given(SCORES)
def test_an_output_that_ignores_the_inputs_is_found(scores: np.ndarray) -> None:
    scores[0] = 1.0
    scores[1] = -100.0
    with pytest.raises(WrongOutput, match="the same for all 6 rows"):
        compare({"y": scores}, {"y": np.broadcast_to(scores[:1], scores.shape)}, Precision.FP32)


@given(SEEDS, st.floats(0.05, 1.0))
def test_a_target_that_keeps_answers_is_found_at_any_scale(seed: int, spread: float) -> None:
    generator = np.random.default_rng(seed)
    distinct = 1e6 * generator.lognormal(0.0, spread, 200)
    assert judge_caching(distinct, distinct * 0.05).cached


def test_a_target_that_keeps_nothing_is_rarely_accused() -> None:
    generator = np.random.default_rng(11)
    accused = 0
    for _ in range(1000):
        latencies = 1e6 * generator.lognormal(0.0, 0.5, (2, 40))
        accused += judge_caching(latencies[0], latencies[1]).cached
    assert accused <= 5

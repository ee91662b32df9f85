"""The tests behind a drift's verdict raise false alarms no more often than they may."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from msearch_sketch.two_sample_tests import kernel_test, signature_test
from tests.unit.test_drift import rows, signature

_TRIALS = 200
_LEVEL = 0.1
_MOST = 33
"""Of 200 trials at level 0.1, at most so many alarm but once in 1,000 times (binomial)."""


def _made_up(kind: str, seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    if kind == "normal":
        return rows(seed, 80)
    if kind == "heavy":
        values = random.standard_t(2, (80, 6)) * 200
    elif kind == "clusters":
        values = random.integers(0, 3, (80, 1)) * 2_000 + random.normal(0, 50, (80, 6))
    else:
        values = (random.random((80, 6)) < 0.1) * 1_024.0  # few distinct rows: ties
    return np.clip(np.rint(values), -8_192, 8_192).astype(np.int16)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["normal", "heavy", "clusters", "ties"])
def test_splits_of_one_set_rarely_alarm(kind: str) -> None:
    by_rows = by_signatures = 0
    for trial in range(_TRIALS):
        drawn = _made_up(kind, trial)
        by_rows += kernel_test(drawn[:50], drawn[50:], permutations=59, seed=trial).p_value <= _LEVEL
        by_signatures += signature_test(signature(drawn[:50]), signature(drawn[50:])).p_value <= _LEVEL
    assert by_rows <= _MOST
    assert by_signatures <= _MOST
    # A test that never alarms would pass the above: the permutation test's level is exact where rows do not tie.
    if kind != "ties":
        assert by_rows >= 8


@given(st.integers(0, 2**32 - 1), st.floats(0, 3), st.integers(5, 40), st.integers(5, 40))
@settings(max_examples=25, deadline=None)
def test_results_are_in_range_and_symmetric(seed: int, shift: float, n: int, m: int) -> None:
    first, second = rows(seed % 1_000, n), rows(seed % 1_000 + 1, m, shift)
    for found in (kernel_test(first, second, permutations=49), signature_test(signature(first), signature(second))):
        assert 0 < found.p_value <= 1 or found.p_value == 0
        assert 0 <= found.effect <= 1
        assert found.mmd <= 4
    there = signature_test(signature(first), signature(second))
    back = signature_test(signature(second), signature(first))
    assert there.p_value == pytest.approx(back.p_value)
    assert there.mmd == pytest.approx(back.mmd)
    assert kernel_test(first, second, permutations=49).p_value >= 1 / 50


@given(st.integers(0, 1_000))
@settings(max_examples=10, deadline=None)
def test_a_set_does_not_differ_from_its_own_rows_in_another_order(seed: int) -> None:
    drawn = rows(seed, 40)
    shuffled = np.random.default_rng(seed).permutation(drawn)
    assert kernel_test(drawn, shuffled, permutations=49).p_value == 1
    found = signature_test(signature(drawn), signature(shuffled))
    assert found.p_value == 1
    assert found.effect == 0

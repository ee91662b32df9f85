"""The linear regression of leads."""

from __future__ import annotations

import numpy as np
import pytest

from msearch_accuracy import AccuracyError
from msearch_accuracy.linear import Linear


def _fitted(strength: float) -> tuple[Linear, np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    rows = (random.normal(size=(500, 3)) * [1, 10, 0] + [0, 5, 2]).astype(np.float32)
    learned = 0.5 + 0.2 * rows[:, 0] - 0.03 * rows[:, 1]
    return Linear.of_examples(rows, learned.astype(float), np.ones(500), strength), rows, learned


def test_without_a_penalty_it_finds_the_line() -> None:
    linear, rows, learned = _fitted(1e-9)
    inner = (np.abs(rows - rows.mean(axis=0)) < 3 * rows.std(axis=0) + 1e-3).all(axis=1)
    assert np.abs(linear.predict(rows) - learned)[inner].max() < 5e-3


def test_a_large_penalty_leaves_the_mean() -> None:
    linear, rows, learned = _fitted(1e9)
    assert np.allclose(linear.predict(rows), learned.mean(), atol=1e-4)


def test_what_lies_far_out_counts_no_further() -> None:
    linear, _, _ = _fitted(1e-9)
    far = np.array([[1e3, 5, 2], [1e6, 5, 2]], np.float32)
    assert linear.predict(far)[0] == linear.predict(far)[1]


def test_stored_arrays_give_the_same_regression_and_corrupt_ones_are_refused() -> None:
    linear, rows, _ = _fitted(0.1)
    arrays = linear.arrays("x.")
    assert np.array_equal(Linear.of_arrays(arrays, "x.", 3).predict(rows), linear.predict(rows))
    for name, value in {"x.scales": np.zeros(3, np.float32), "x.slopes": np.full(3, np.nan, np.float32)}.items():
        with pytest.raises(AccuracyError, match="corrupt"):
            Linear.of_arrays(arrays | {name: value}, "x.", 3)
    with pytest.raises(AccuracyError, match="corrupt"):
        Linear.of_arrays(arrays, "x.", 4)

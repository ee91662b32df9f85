"""The forest of plain arrays against scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest

from msearch_accuracy import AccuracyError
from msearch_accuracy.forest import Forest

sklearn_ensemble = pytest.importorskip("sklearn.ensemble", reason="fitting needs scikit-learn (extra: examples)")


def _fitted(seed: int = 0) -> tuple[object, np.ndarray]:
    random = np.random.default_rng(seed)
    rows = random.normal(size=(400, 5)).astype(np.float32)
    right = rows[:, 0] + rows[:, 1] ** 2 + random.normal(0, 0.3, 400) > 0.5
    forest = sklearn_ensemble.ExtraTreesRegressor(20, min_samples_leaf=3, random_state=seed)
    return forest.fit(rows, right.astype(float)), rows


def test_it_gives_what_scikit_learn_gives() -> None:
    fitted, rows = _fitted()
    found = Forest.of_sklearn(fitted).predict(rows)
    # Values are kept in half precision.
    assert np.abs(found - fitted.predict(rows)).max() < 1e-3  # type: ignore[attr-defined]


def test_many_rows_are_judged_as_each_alone() -> None:
    fitted, rows = _fitted()
    forest = Forest.of_sklearn(fitted)
    many = np.tile(rows, (100, 1))  # more than are followed through all trees together
    assert np.allclose(forest.predict(many), np.tile(forest.predict(rows), 100), atol=1e-6)
    assert np.allclose(forest.predict(rows[:3]), forest.predict(rows)[:3], atol=1e-6)
    assert forest.predict(rows[:0]).shape == (0,)


def test_stored_arrays_give_the_same_forest() -> None:
    fitted, rows = _fitted()
    forest = Forest.of_sklearn(fitted)
    again = Forest.of_arrays(forest.arrays("x."), "x.", 5)
    assert np.array_equal(again.predict(rows), forest.predict(rows))


def test_a_forest_where_all_were_right_says_so() -> None:
    rows = np.zeros((10, 2), np.float32)
    fitted = sklearn_ensemble.ExtraTreesRegressor(3).fit(rows, np.ones(10))
    assert Forest.of_sklearn(fitted).predict(rows).tolist() == [1.0] * 10


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("features", np.array([-1], np.int16)),
        ("children", np.array([5, 5], np.int32)),
        ("roots", np.zeros(0, np.int32)),
        ("values", np.array([np.nan], np.float16)),
        ("thresholds", np.zeros(3, np.float32)),
    ],
)
def test_corrupt_arrays_are_refused(name: str, value: np.ndarray) -> None:
    arrays: dict[str, np.ndarray] = {
        "roots": np.zeros(1, np.int32),
        "features": np.zeros(1, np.int16),
        "thresholds": np.zeros(1, np.float32),
        "children": np.zeros(2, np.int32),
        "values": np.ones(1, np.float16),
    }
    assert Forest.of_arrays(arrays, "", 3).predict(np.zeros((2, 3), np.float32)).tolist() == [1.0, 1.0]
    with pytest.raises(AccuracyError):
        Forest.of_arrays(arrays | {name: value}, "", 3)

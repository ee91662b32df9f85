"""Points are the rows that a signature sums up."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from msearch_sketch import SpaceError, default_space, open_dataset, project, sketch

RANDOM = np.random.default_rng(8)


def test_points_add_up_to_the_signature() -> None:
    table = pa.table({"text": [f"word{number % 7} and {number}" for number in range(300)]})
    dataset = open_dataset(table)
    space = default_space(dataset)
    points, signature = project(dataset, space), sketch(dataset, space).signature
    assert points.ticks.dtype == np.int16
    assert points.kept.all()
    assert points.problem == ""
    assert np.array_equal(points.ticks.astype(np.int64).sum(axis=0), signature.sums)


def test_rows_that_cannot_be_read_are_named_and_left_out() -> None:
    vectors = [[1.0, 2.0], None, [3.0, 4.0], [5.0, 6.0]]
    dataset = open_dataset(pa.table({"v": pa.array(vectors, pa.list_(pa.float64(), 2))}))
    points = project(dataset, default_space(dataset))
    assert points.kept.tolist() == [True, False, True, True]
    assert len(points.ticks) == 3
    assert points.problem


def test_a_space_of_another_modality_is_refused() -> None:
    texts = open_dataset(pa.table({"text": ["a", "b"]}))
    vectors = open_dataset(pa.table({"v": pa.array([[1.0, 2.0]], pa.list_(pa.float64(), 2))}))
    with pytest.raises(SpaceError, match="holds text data, the space is for embedding data"):
        project(texts, default_space(vectors))

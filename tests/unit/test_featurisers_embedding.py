"""Embeddings keep their angles, and bad vectors are skipped."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from msearch_sketch import DatasetError, FeatureSpace, SpaceError
from msearch_sketch.featurisers import default_featuriser
from msearch_sketch.featurisers.base import Columns
from msearch_sketch.featurisers.embedding_vector import name_embedder
from msearch_sketch.spaces import TICKS_PER_UNIT

FEATURISER = default_featuriser("embedding")


def columns(dimension: int) -> Columns:
    return Columns(("v",), (f"vector[{dimension}]",))


def transform(vectors, dimension: int, kind=None, space: FeatureSpace | None = None):
    column = pa.array(vectors, kind or pa.list_(pa.float64(), dimension))
    space = space or FEATURISER.fixed_space(columns(dimension))
    return FEATURISER.transform(pa.record_batch({"v": column}), columns(dimension), space)


def test_short_vectors_are_taken_as_they_are_at_length_two():
    found = transform([[3.0, 4.0], [0.0, -5e-9]], 2)
    assert (found.ticks / TICKS_PER_UNIT).tolist() == pytest.approx(np.array([[1.2, 1.6], [0, -2]]), abs=1e-3)


def test_long_vectors_keep_their_angles():
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(40, 768)) + 2 * rng.normal(size=(4, 768)).repeat(10, axis=0)
    found = transform(vectors.tolist(), 768).ticks / TICKS_PER_UNIT
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    assert found.shape == (40, 64)
    assert np.abs(found @ found.T / 4 - unit @ unit.T).mean() < 0.12


def test_length_counts_where_the_space_says_so():
    space = FEATURISER.fixed_space(columns(2))
    space = FeatureSpace.from_document(space.document.replace('"unit_length":true', '"unit_length":false'))
    found = transform([[3.0, 4.0], [0.0, 0.0]], 2, space=space)
    assert found.kept.all()
    assert (found.ticks / TICKS_PER_UNIT).tolist() == pytest.approx(np.array([[3, 4], [0, 0]]), abs=1e-3)


def test_bad_vectors_are_skipped():
    found = transform(
        [[1.0, 2.0], None, [float("nan"), 1.0], [0.0, 0.0], [float("inf"), 0.0], [None, 1.0], [5.0, 0.0]], 2
    )
    assert found.kept.tolist() == [True, False, False, False, False, False, True]
    assert found.problem
    assert transform([], 2).ticks.shape == (0, 2)


def test_every_type_of_number_gives_the_same_features():
    vectors = [[1, 2, 3], [-4, 5, 6]]
    plain = transform(vectors, 3).ticks
    for kind in (
        pa.list_(pa.float16(), 3), pa.list_(pa.float32(), 3), pa.list_(pa.float32()), pa.large_list(pa.float64()),
        pa.list_(pa.int8(), 3),
    ):  # fmt: skip
        rows = np.array(vectors, np.float16).tolist() if kind.value_type == pa.float16() else vectors
        rows = [[np.float16(x) for x in row] for row in rows] if kind.value_type == pa.float16() else rows
        assert np.array_equal(transform(rows, 3, kind).ticks, plain)


def test_dimension_and_embedder_set_spaces_apart():
    space = FEATURISER.fixed_space(columns(384))
    assert space.dimension == 64
    digests = {space.digest, FEATURISER.fixed_space(columns(512)).digest, name_embedder(space, "minilm").digest}
    assert len(digests) == 3


def test_vectors_of_another_length_are_refused():
    with pytest.raises(SpaceError, match="vectors of 3 numbers"):
        transform([[1.0, 2.0, 3.0], [1.0]], 3, pa.list_(pa.float64()))
    with pytest.raises(SpaceError, match="1 to 65536"):
        FEATURISER.fixed_space(Columns(("v",), ("list<float>",)))
    with pytest.raises(DatasetError, match="lists of numbers"):
        transform(["a"], 1, pa.string())


@pytest.mark.parametrize(
    "change", [('"source_dimension":3', '"source_dimension":-3'), ('"unit_length":true', '"other":1')]
)
def test_a_hostile_space_is_refused(change):
    document = FEATURISER.fixed_space(columns(3)).document.replace(*change)
    with pytest.raises(SpaceError, match="embedding space"):
        transform([[1.0, 2.0, 3.0]], 3, space=FeatureSpace.from_document(document))

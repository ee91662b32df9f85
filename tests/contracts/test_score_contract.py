"""What every score must do, whoever wrote it: run over all that discovery finds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from msearch_sketch.errors import SignatureError
from msearch_sketch.signature import Signature
from search_service.domain.ranking import Score, ScoreValues, Source
from search_service.scores import find_scores
from tests.signatures import SPACE, family, sketched, validated

SCORES = find_scores()
OTHER_SPACE = replace(SPACE, dimension=7)


@pytest.fixture(scope="module")
def signatures() -> list[Signature]:
    return family(np.random.default_rng(3), 12)


@pytest.fixture(scope="module")
def sources(signatures: list[Signature]) -> list[Source]:
    return [Source(validated(signature, 0.5 + 0.04 * i), 0.9) for i, signature in enumerate(signatures)]


@pytest.fixture(params=SCORES.values(), ids=SCORES.keys())
def score(request: pytest.FixtureRequest) -> Score:
    return request.param


def same(left: ScoreValues, right: ScoreValues) -> None:
    np.testing.assert_allclose(left.values, right.values, rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(left.support, right.support)
    assert left.details == right.details


def test_info_is_complete(score: Score) -> None:
    info = score.info
    assert info.name.isidentifier()
    assert info.name == info.name.lower()
    assert all((info.summary, info.formula, info.source, info.support_unit))
    if info.lowest is not None and info.highest is not None:
        assert info.lowest < info.highest


def test_values_are_finite_in_range_and_rest_on_something(
    score: Score, signatures: list[Signature], sources: list[Source]
) -> None:
    result = score.compute(signatures[0], sources, SPACE)
    assert result.values.shape == result.support.shape == (len(sources),)
    assert result.values.dtype == result.support.dtype == np.float64
    assert np.isfinite(result.values).all()
    assert not result.details
    assert (result.support > 0).all()
    if score.info.lowest is not None:
        assert (result.values >= score.info.lowest).all()
    if score.info.highest is not None:
        assert (result.values <= score.info.highest).all()


def test_it_tells_sources_apart(score: Score, signatures: list[Signature], sources: list[Source]) -> None:
    assert len(set(score.compute(signatures[0], sources, SPACE).values.tolist())) > 2


def test_a_dataset_scores_itself_as_defined_and_best(
    score: Score, signatures: list[Signature], sources: list[Source]
) -> None:
    if score.info.self_value is None:
        pytest.skip("its definition fixes no value of a dataset against itself")
    for position, signature in enumerate(signatures):
        values = score.compute(signature, sources, SPACE).values
        assert values[position] == pytest.approx(score.info.self_value, abs=1e-6)
        best = values.max() if score.info.higher_is_better else values.min()
        assert values[position] == pytest.approx(best, abs=1e-6)


def test_symmetry_is_as_declared(score: Score, signatures: list[Signature]) -> None:
    left, right = signatures[0], signatures[1:]
    forth = score.compute(left, [Source(validated(s, 0.7)) for s in right], SPACE).values
    back = [score.compute(s, [Source(validated(left, 0.6))], SPACE).values[0] for s in right]
    assert bool(np.allclose(forth, back, rtol=1e-9, atol=1e-9)) == score.info.symmetric


def test_permuting_the_sources_permutes_the_values(
    score: Score, signatures: list[Signature], sources: list[Source]
) -> None:
    order = np.random.default_rng(1).permutation(len(sources))
    straight = score.compute(signatures[0], sources, SPACE)
    permuted = score.compute(signatures[0], [sources[i] for i in order], SPACE)
    same(permuted, ScoreValues(straight.values[order], straight.support[order], {}))


def test_a_batch_gives_what_single_calls_give(score: Score, signatures: list[Signature], sources: list[Source]) -> None:
    batch = score.compute(signatures[2], sources, SPACE)
    for position, source in enumerate(sources):
        single = score.compute(signatures[2], [source], SPACE)
        same(single, ScoreValues(batch.values[[position]], batch.support[[position]], {}))


def test_a_decoded_signature_scores_the_same(score: Score, signatures: list[Signature], sources: list[Source]) -> None:
    decoded = [Source(Signature.from_bytes(s.signature.encoded), s.claimed_accuracy) for s in sources]
    target = Signature.from_bytes(signatures[0].encoded)
    same(score.compute(target, decoded, SPACE), score.compute(signatures[0], sources, SPACE))


def test_no_sources_give_no_values(score: Score, signatures: list[Signature]) -> None:
    result = score.compute(signatures[0], [], SPACE)
    assert result.values.shape == result.support.shape == (0,)
    assert result.details == {}


@pytest.mark.parametrize("stranger", ["target", "source"])
def test_another_space_is_refused(score: Score, signatures: list[Signature], stranger: str) -> None:
    rows = np.random.default_rng(0).integers(-1000, 1000, (20, OTHER_SPACE.dimension))
    foreign = sketched(rows, OTHER_SPACE)
    target, source = (foreign, signatures[0]) if stranger == "target" else (signatures[0], foreign)
    with pytest.raises(SignatureError, match=stranger):
        score.compute(target, [Source(source, 0.5)], SPACE)


BARE = {
    "centroids": np.empty((0, SPACE.dimension), np.int16),
    "centroid_weights": np.empty(0, np.uint32),
    "centroid_classes": np.empty(0, np.int16),
    "partitions": np.zeros((0, 6, 16), np.uint32),
    "table_offsets": np.zeros(SPACE.tables + 1, np.uint32),
    "keys": np.empty(0, np.uint32),
    "key_counts": np.empty(0, np.uint32),
}


def check_gaps(result: ScoreValues) -> None:
    missing = np.flatnonzero(np.isnan(result.values)).tolist()
    assert sorted(result.details) == missing
    assert all(result.details[position] for position in missing)
    assert (result.support[missing] == 0).all()
    assert np.isfinite(np.delete(result.values, missing)).all()


def test_a_bare_source_gives_nan_with_the_reason_and_spoils_no_other(
    score: Score, signatures: list[Signature], sources: list[Source]
) -> None:
    bare = Source(replace(signatures[1], **BARE))
    result = score.compute(signatures[0], [sources[0], bare, sources[2], bare], SPACE)
    check_gaps(result)
    whole = score.compute(signatures[0], [sources[0], sources[2]], SPACE)
    np.testing.assert_allclose(result.values[[0, 2]], whole.values, rtol=1e-6, atol=1e-6)


def test_a_bare_target_gives_nan_with_the_reason(
    score: Score, signatures: list[Signature], sources: list[Source]
) -> None:
    check_gaps(score.compute(replace(signatures[1], **BARE), [*sources, Source(signatures[1])], SPACE))


def test_one_row_is_valid_input(score: Score, sources: list[Source]) -> None:
    single = sketched(np.full((1, SPACE.dimension), 300))
    check_gaps(score.compute(single, [*sources, Source(single)], SPACE))

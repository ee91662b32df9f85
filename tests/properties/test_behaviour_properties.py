"""Properties that every behaviour score keeps."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from msearch_accuracy import Validation
from msearch_accuracy.behaviour import Behaviour, BehaviourScore, find_behaviour_scores
from msearch_accuracy.dawid_skene import dawid_skene

SCORES = list(find_behaviour_scores().values())


@st.composite
def behaviours(draw: st.DrawFn) -> Behaviour:
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    rows, classes, candidates = draw(st.integers(1, 30)), draw(st.integers(2, 5)), draw(st.integers(3, 6))
    sharpness = draw(st.sampled_from([0.01, 0.3, 1.0, 50.0]))
    values = random.dirichlet(np.full(classes, sharpness), rows)
    values = (values + 1e-9) / (values + 1e-9).sum(axis=1, keepdims=True)
    votes = random.integers(0, classes, (candidates, rows))
    votes[0] = values.argmax(axis=1)
    validation = Validation(
        accuracy=draw(st.floats(0, 1)),
        count=50,
        temperature=draw(st.sampled_from([0.5, 1.0, 3.0])),
        mean_confidence=draw(st.floats(0.2, 1)),
        atc_threshold=draw(st.floats(-1.5, 0)),
        confidence_counts=(),
        confidence_correct=(),
    )
    return Behaviour(
        probabilities=values,
        validation=validation,
        prior=random.dirichlet(np.ones(classes)),
        votes=votes,
        union=classes,
        noisy=random.integers(0, classes, (10, rows)),
        labels=random.integers(0, classes, rows),
        features=random.normal(size=(rows, 3)),
    )


def reordered(behaviour: Behaviour, order: np.ndarray) -> Behaviour:
    assert behaviour.votes is not None
    assert behaviour.noisy is not None
    assert behaviour.labels is not None
    assert behaviour.features is not None
    return Behaviour(
        probabilities=behaviour.probabilities[order],
        validation=behaviour.validation,
        prior=behaviour.prior,
        votes=behaviour.votes[:, order],
        union=behaviour.union,
        noisy=behaviour.noisy[:, order],
        labels=behaviour.labels[order],
        features=behaviour.features[order],
    )


@pytest.mark.parametrize("score", SCORES, ids=lambda score: score.info.name)
@settings(max_examples=40, deadline=None)
@given(behaviour=behaviours())
def test_values_stay_in_their_range(score: BehaviourScore, behaviour: Behaviour) -> None:
    found = score.compute(behaviour)
    if math.isnan(found.value):
        assert found.detail
        return
    assert score.info.lowest is None or found.value >= score.info.lowest - 1e-9
    assert score.info.highest is None or found.value <= score.info.highest + 1e-9
    if found.low is not None and found.high is not None:
        assert 0 <= found.low <= found.value <= found.high <= 1


@pytest.mark.parametrize("score", SCORES, ids=lambda score: score.info.name)
@settings(max_examples=25, deadline=None)
@given(behaviour=behaviours(), seed=st.integers(0, 1000))
def test_the_order_of_rows_does_not_matter(score: BehaviourScore, behaviour: Behaviour, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(len(behaviour.probabilities))
    first, second = score.compute(behaviour).value, score.compute(reordered(behaviour, order)).value
    assert (math.isnan(first) and math.isnan(second)) or first == pytest.approx(second, abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), candidates=st.integers(1, 6), rows=st.integers(1, 40), classes=st.integers(2, 5))
def test_dawid_skene_gives_distributions_and_ignores_the_order_of_candidates(
    seed: int, candidates: int, rows: int, classes: int
) -> None:
    random = np.random.default_rng(seed)
    votes = random.integers(0, classes, (candidates, rows))
    posterior = dawid_skene(votes, classes)
    assert np.allclose(posterior.sum(axis=1), 1)
    assert (posterior >= 0).all()
    assert np.allclose(posterior, dawid_skene(votes[::-1], classes), atol=1e-6)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), rows=st.integers(2, 20))
def test_weights_count_as_repeated_rows_for_dawid_skene(seed: int, rows: int) -> None:
    random = np.random.default_rng(seed)
    votes = random.integers(0, 3, (4, rows))
    weights = random.integers(1, 4, rows)
    repeated = dawid_skene(np.repeat(votes, weights, axis=1), 3)
    first = np.cumsum(weights) - weights
    assert np.allclose(repeated[first], dawid_skene(votes, 3, weights.astype(float)), atol=1e-6)

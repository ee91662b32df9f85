"""Features of the accuracy predictor mean the same whatever the scale of the data, and whatever the order."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from msearch_accuracy.evidence import CandidateEvidence, Coreset, TargetEvidence
from msearch_accuracy.problem import pose
from msearch_accuracy.row_features import row_features
from msearch_accuracy.stacking import moments_of
from msearch_accuracy.witnesses import hear
from tests.made_up_accuracy import made_up_target, made_up_workload

_MOMENTS = moments_of(made_up_workload())


def _features(candidates: list[CandidateEvidence], target: TargetEvidence, *, run: bool) -> NDArray[np.float32]:
    problem = pose(candidates, target, run=run)
    return row_features(problem, hear(problem, moments=_MOMENTS, run=run))


def _scaled(source: Coreset | None, factor: int) -> Coreset | None:
    if source is None:
        return None
    return Coreset.of_points(source.name, source.points * factor, source.weights, source.labels, source.classes)


@settings(max_examples=12, deadline=None)
@given(domain=st.integers(0, 5), factor=st.sampled_from([2, 4, 8]), run=st.booleans())
def test_multiplying_all_ticks_changes_nothing(domain: int, factor: int, run: bool) -> None:
    candidates, target, _ = made_up_target(domain, rows=60)
    larger = [replace(candidate, source=_scaled(candidate.source, factor)) for candidate in candidates]
    first = _features(candidates, target, run=run)
    second = _features(larger, TargetEvidence(np.asarray(target.ticks, np.int64) * factor), run=run)
    assert np.allclose(first, second, rtol=1e-2, atol=1e-3)


@settings(max_examples=12, deadline=None)
@given(domain=st.integers(0, 5), seed=st.integers(0, 99), run=st.booleans())
def test_the_order_of_rows_and_of_candidates_does_not_matter(domain: int, seed: int, run: bool) -> None:
    candidates, target, _ = made_up_target(domain, rows=60)
    random = np.random.default_rng(seed)
    rows, places = random.permutation(60), random.permutation(len(candidates))
    shuffled = [
        replace(c, probabilities=c.probabilities[rows])
        for c in (candidates[place] for place in places)
        if c.probabilities is not None
    ]
    first = _features(candidates, target, run=run)[places][:, rows]
    second = _features(shuffled, TargetEvidence(target.ticks[rows]), run=run)
    assert np.allclose(first, second, rtol=1e-2, atol=2e-3)

"""Labelling that begins with what the accuracy predictor foretells."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from msearch_accuracy import AccuracyError, CandidateEvidence, Metric, TargetEvidence, default_predictor, predict
from msearch_accuracy import foresight as foresights
from msearch_accuracy.few_labels import Labelling
from msearch_accuracy.foresight import class_chances, foresee
from msearch_sketch.spaces import TICKS_PER_UNIT
from tests.made_up_accuracy import CLASSES, made_up_coreset, outputs, place

ROWS = 60


def made_up_target(seed: int = 0) -> tuple[list[CandidateEvidence], TargetEvidence, np.ndarray]:
    """Four candidates with sources and outputs on the rows of a domain."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 3, ROWS)
    candidates = [
        CandidateEvidence(f"model-{at}", CLASSES, outputs(reach, labels, random), made_up_coreset(at), 0.9)
        for at, reach in enumerate((0.9, 0.75, 0.6, 0.45))
    ]
    return candidates, TargetEvidence((place(0, labels, random) * TICKS_PER_UNIT).astype(np.int16)), labels


@pytest.mark.parametrize("metric", [Metric(), Metric("f1", "dog")])
def test_without_labels_the_answer_is_the_predictors(metric: Metric) -> None:
    candidates, target, _ = made_up_target()
    expected = predict(default_predictor(), candidates, target, metric, explain=False)
    labelling = Labelling.of(candidates, metric, target=target, predictor=default_predictor())
    standings = labelling.verdict().standings
    best_first = sorted(expected, key=lambda one: -(one.accuracy or 0))
    assert [(s.name, s.accuracy, s.low, s.high) for s in standings] == [
        (one.name, one.accuracy, one.low, one.high) for one in best_first
    ]
    labelling.label(0, "dog")
    labelling.forget(0)
    assert labelling.verdict().standings == standings


def test_labels_move_it_to_the_truth() -> None:
    candidates, target, labels = made_up_target()
    labelling = Labelling.of(candidates, target=target, predictor=default_predictor())
    for row, label in enumerate(labels):
        labelling.label(row, CLASSES[label])
    true = [float((np.asarray(c.probabilities).argmax(axis=1) == labels).mean()) for c in candidates]
    assert {s.name: s.accuracy for s in labelling.verdict().standings} == pytest.approx(
        dict(zip([c.name for c in candidates], true, strict=True))
    )


def test_rows_are_looked_at_in_blocks_that_leave_none_out(monkeypatch: pytest.MonkeyPatch) -> None:
    candidates, target, _ = made_up_target()
    names = [candidate.name for candidate in candidates]
    whole = foresee(default_predictor(), candidates, target, names, Metric())
    monkeypatch.setattr(foresights, "_PAIRS_AT_ONCE", 4 * ROWS // 3)
    in_blocks = foresee(default_predictor(), candidates, target, names, Metric())
    assert whole.right.shape == in_blocks.right.shape == (4, ROWS)
    assert (in_blocks.right > 0).all()
    np.testing.assert_array_equal(whole.values, in_blocks.values)
    assert np.corrcoef(whole.right.ravel(), in_blocks.right.ravel())[0, 1] > 0.9


def test_a_candidate_that_cannot_take_part_does_not_fail_the_rest() -> None:
    candidates, target, _ = made_up_target()
    broken = replace(candidates[0], name="broken", probabilities=np.full((ROWS, 3), np.nan))
    labelling = Labelling.of([*candidates, broken], target=target, predictor=default_predictor())
    assert set(labelling.problem.refused) == {"broken"}
    assert len(labelling.verdict().standings) == 4


def test_classes_that_are_believed_more_have_higher_chances() -> None:
    candidates, _, _ = made_up_target()
    problem = Labelling.of(candidates).problem
    even = np.full((ROWS, 3), 1 / 3)
    low = class_chances(problem, np.full((4, ROWS), 0.3), even)
    high = class_chances(problem, np.array([[0.9], [0.3], [0.3], [0.3]]) * np.ones((4, ROWS)), even)
    np.testing.assert_allclose(low.sum(axis=1), 1)
    np.testing.assert_allclose(high.sum(axis=1), 1)
    rows = np.arange(ROWS)
    assert (high[rows, problem.votes[0]] >= low[rows, problem.votes[0]] - 1e-12).all()


def test_a_predictor_needs_the_rows() -> None:
    candidates, _, _ = made_up_target()
    with pytest.raises(AccuracyError, match="needs the target's rows"):
        Labelling.of(candidates, predictor=default_predictor())


def test_rows_on_which_all_agree_keep_their_chances_when_one_candidate_errs() -> None:
    """Trust in one candidate against another says nothing where they vote alike."""
    random = np.random.default_rng(3)
    labels = random.integers(0, 3, 120)
    good = outputs(0.97, labels, random)
    bad = np.where((np.arange(120) < 60)[:, None], good, np.roll(good, 1, axis=1))
    labelling = Labelling.of([CandidateEvidence(name, CLASSES, value) for name, value in (("a", good), ("b", bad))])
    before = {s.name: s.accuracy for s in labelling.verdict().standings}
    for row in range(60, 100):
        labelling.label(row, CLASSES[labels[row]])
    after = {s.name: s for s in labelling.verdict().standings}
    assert after["a"].accuracy > before["a"]
    assert after["b"].high > 0.4, "the sixty rows on which both agree are not held against it"

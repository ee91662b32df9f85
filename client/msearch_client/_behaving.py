"""Behaviour scores of candidates that were run on this machine; the service computes those of the others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from msearch_accuracy import AccuracyError, TargetEvidence
from msearch_accuracy.behaviour import Behaviour, find_behaviour_scores
from msearch_accuracy.problem import Problem, pose
from msearch_client._catalogue import Model
from msearch_client._evaluations import Validation
from msearch_client._local_running import LocalRun
from msearch_client._predicting import choose_rows, evidence_of
from msearch_client._rankings import ScoreValue
from msearch_sketch import Points
from msearch_sketch import Validation as Statistics

_OF_LABELS = {"labels", "features"}


def behaviour_scores() -> frozenset[str]:
    """Names of the scores that look at outputs and need no label."""
    return frozenset(name for name, score in find_behaviour_scores().items() if not _OF_LABELS & set(score.info.needs))


def behave_locally(names: Sequence[str], runs: Sequence[LocalRun], target: Points) -> dict[str, tuple[ScoreValue, ...]]:
    """The scores of every model that was run, by model id, in the order of the names.

    As in the service: all that were run vote, on the rows that all of them took; what cannot be computed has no value,
    and says why.

    Args:
        names: some of `behaviour_scores()`.
        runs: with outputs or without; those without are left out.
        target: the points of the very rows that the models were run on.
    """
    taken, usable = choose_rows(runs, target)
    evidence = [evidence_of(run.model, outputs[usable], None) for run, outputs in taken]
    try:
        problem = pose(evidence, TargetEvidence(target.ticks[usable[target.kept]]), run=True) if evidence else None
    except AccuracyError as error:
        problem, reason = None, str(error)
    else:
        reason = "it took too few of the rows"
    found: dict[str, tuple[ScoreValue, ...]] = {}
    for run in runs:
        if run.outputs is None:
            continue
        if problem is None or run.model.id not in problem.names:
            why = reason if problem is None else problem.refused.get(run.model.id, reason)
            found[run.model.id] = tuple(ScoreValue(score=name, value=None, detail=why) for name in names)
        else:
            behaviour = _behaviour(run, problem, usable)
            found[run.model.id] = tuple(_value(name, behaviour) for name in names)
    return found


def _value(name: str, behaviour: Behaviour) -> ScoreValue:
    try:
        found = find_behaviour_scores()[name].compute(behaviour)
    except AccuracyError as error:
        return ScoreValue(score=name, value=None, detail=str(error))
    if np.isnan(found.value):
        return ScoreValue(score=name, value=None, detail=found.detail or "it has no value for these outputs")
    return ScoreValue(score=name, value=found.value, support=len(behaviour.probabilities), detail=found.detail)


def _behaviour(run: LocalRun, problem: Problem, usable: np.typing.NDArray[np.bool_]) -> Behaviour:
    outputs, model = run.outputs, run.model
    assert outputs is not None  # noqa: S101 - checked by the caller
    noisy = outputs.noisy_votes
    return Behaviour(
        probabilities=outputs.probabilities[usable],
        validation=None if model.validation is None else _statistics(model.validation),
        prior=_prior(model),
        votes=problem.votes,
        place=problem.names.index(model.id),
        union=len(problem.classes),
        noisy=None if noisy is None else noisy[:, usable].astype(np.int64),
    )


def _prior(model: Model) -> np.typing.NDArray[np.float64] | None:
    validation = model.validation
    return None if validation is None or not validation.class_prior else np.array(validation.class_prior)


def _statistics(validation: Validation) -> Statistics:
    return Statistics(
        accuracy=validation.accuracy,
        count=validation.row_count,
        temperature=validation.temperature,
        mean_confidence=validation.mean_confidence,
        atc_threshold=validation.atc_threshold,
        confidence_counts=validation.confidence_counts,
        confidence_correct=validation.confidence_correct,
    )

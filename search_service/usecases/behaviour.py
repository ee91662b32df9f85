"""Scores of how candidates behave on a target (`msearch_accuracy.behaviour`), as scores of a ranking."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from msearch_accuracy import AccuracyError, CandidateEvidence, TargetEvidence
from msearch_accuracy.behaviour import Behaviour, BehaviourInfo, BehaviourScore, find_behaviour_scores
from msearch_accuracy.problem import Problem, pose
from search_service.domain.catalog import Model
from search_service.domain.ranking import ScoreInfo, ScoreValues
from search_service.usecases.target_outputs import TargetOutputs

NOT_RUN = "it was not run on this sample"

_OF_LABELS = {"labels", "features"}


@lru_cache(maxsize=1)
def usable_scores() -> Mapping[str, BehaviourScore]:
    """The behaviour scores that need no label of the target, by name."""
    return {name: score for name, score in find_behaviour_scores().items() if not _OF_LABELS & set(score.info.needs)}


@lru_cache(maxsize=1)
def behaviour_infos() -> dict[str, ScoreInfo]:
    """What they are, by name."""
    return {name: _info(score.info) for name, score in usable_scores().items()}


def compute_behaviour(
    name: str, models: Sequence[Model], candidates: Sequence[CandidateEvidence], target: TargetOutputs
) -> ScoreValues:
    """One score of the models; those without outputs have no value.

    `candidates` are all that were run, and vote. A model that shares no class with the others, or whose outputs cannot
    be used, has no value, and does not fail the rest.
    """
    score = usable_scores()[name]
    values = np.full(len(models), np.nan)
    support = np.zeros(len(models))
    details: dict[int, str] = {}
    run = [candidate for candidate in candidates if candidate.probabilities is not None]
    problem, refused = _pose(run, target)
    for at, model in enumerate(models):
        reason = target.refused.get(model.id) or refused.get(model.id) or ""
        if model.id not in target.probabilities or reason or problem is None:
            details[at] = reason or NOT_RUN
            continue
        try:
            found = score.compute(_behaviour(model, problem, target))
        except AccuracyError as error:
            details[at] = str(error)
            continue
        values[at], support[at] = found.value, len(target.ticks)
        if np.isnan(found.value):
            details[at] = found.detail or "it has no value for these outputs"
    return ScoreValues(values, support, details)


def _pose(run: Sequence[CandidateEvidence], target: TargetOutputs) -> tuple[Problem | None, dict[str, str]]:
    """The candidates in one label space, and why some are not in it."""
    if not run:
        return None, {}
    try:
        problem = pose(run, TargetEvidence(target.ticks), run=True)
    except AccuracyError as error:
        return None, {candidate.name: str(error) for candidate in run}
    return problem, problem.refused


def _behaviour(model: Model, problem: Problem, target: TargetOutputs) -> Behaviour:
    validation = model.validation
    return Behaviour(
        probabilities=target.probabilities[model.id],
        validation=None if validation is None else validation.statistics,
        prior=np.array(validation.class_prior) if validation is not None and validation.class_prior else None,
        votes=problem.votes,
        place=problem.names.index(model.id),
        union=len(problem.classes),
        noisy=_as_votes(target.noisy.get(model.id)),
    )


def _as_votes(noisy: NDArray[np.int16] | None) -> NDArray[np.int64] | None:
    return None if noisy is None else noisy.astype(np.int64)


def _info(info: BehaviourInfo) -> ScoreInfo:
    return ScoreInfo(
        name=info.name,
        summary=info.summary,
        formula=info.formula,
        source=info.source,
        lowest=info.lowest,
        highest=info.highest,
        support_unit="rows of the evaluation sample",
    )

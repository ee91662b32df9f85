"""What the accuracy predictor says of a target row by row: where labelling begins, before there is a label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from msearch_accuracy.evidence import CandidateEvidence, TargetEvidence
from msearch_accuracy.metrics import Metric
from msearch_accuracy.predicting import predict, row_chances
from msearch_accuracy.predictor import Predictor
from msearch_accuracy.problem import Problem, pose

_LEAST = 1e-6
_PAIRS_AT_ONCE = 48_000
"""Candidates times rows that are looked at together: features of more would not fit into memory."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Foresight:
    """Of C candidates that were run: `right` [C, n] the chance of each to be right on each row; of the metric on all
    rows what is expected, `values` [C], and the 90 % interval `low`, `high` [C].
    """

    right: Floats
    values: Floats
    low: Floats
    high: Floats


def foresee(
    predictor: Predictor,
    candidates: Sequence[CandidateEvidence],
    target: TargetEvidence,
    names: Sequence[str],
    metric: Metric,
) -> Foresight:
    """What is expected of the candidates of these names, in their order; the others are not heard.

    Raises:
        AccuracyError: one of them cannot be judged.
    """
    by_name = {candidate.name: candidate for candidate in candidates}
    heard = [by_name[name] for name in names]
    count = len(target.ticks)
    blocks = -(-len(heard) * count // _PAIRS_AT_ONCE)
    right = np.zeros((len(heard), count))
    for block in range(blocks):
        rows = np.arange(block, count, blocks)  # every block looks like the whole
        part = [replace(one, probabilities=np.asarray(one.probabilities)[rows]) for one in heard]
        posed = pose(part, TargetEvidence(target.ticks[rows]), run=True)
        right[:, rows] = row_chances(predictor, posed)
    found = predict(predictor, heard, target, metric, explain=False)
    return Foresight(
        right,
        np.array([one.accuracy for one in found], np.float64),
        np.array([one.low for one in found], np.float64),
        np.array([one.high for one in found], np.float64),
    )


def class_chances(problem: Problem, right: Floats, consensus: Floats) -> Floats:
    """Class chances of each row [n, K] from the chances to be right [C, n] and the candidates' consensus [n, K].

    To the predictor a class has the mean chance of those that vote for it, and what that leaves over goes to the other
    classes as in the consensus. The two are pooled by their geometric mean: the consensus is often surer of single
    rows, the predictor of whom to believe.
    """
    rows, count = np.arange(len(consensus)), len(problem.classes)
    sums, votes = np.zeros((len(rows), count)), np.zeros((len(rows), count))
    for vote, chance in zip(problem.votes, right, strict=True):
        sums[rows, vote] += chance
        votes[rows, vote] += 1
    named = np.where(votes > 0, sums / np.maximum(votes, 1), 0.0)
    named /= np.maximum(named.sum(axis=1, keepdims=True), 1.0)
    unnamed = np.where(votes > 0, 0.0, consensus + _LEAST)
    unnamed /= np.maximum(unnamed.sum(axis=1, keepdims=True), 1e-300)
    predicted = named + np.maximum(1 - named.sum(axis=1, keepdims=True), 0.0) * unnamed
    pooled = np.sqrt((predicted + _LEAST) * (consensus + _LEAST))
    chances: Floats = pooled / pooled.sum(axis=1, keepdims=True)
    return chances

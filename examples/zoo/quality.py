"""How good a ranking is, given what the candidates truly reach."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Quality:
    """Of one ranking of n candidates for one target, or the mean over several.

    `spearman` is the rank correlation of the score with the truth; 0 where either is constant. `regret_1` is what
    taking the first candidate loses against the best one, `regret_5` the same for the best of the first five.
    Candidates with equal scores share their places, so the values are expectations over the order of ties.
    """

    spearman: float
    regret_1: float
    regret_5: float


def judge(scores: Values, truth: Values) -> Quality:
    """Quality of scores [n], larger is better, against the truth [n]. NaN scores rank last."""
    ordered = np.where(np.isnan(scores), -np.inf, scores)
    return Quality(
        spearman=_spearman(ordered, truth),
        regret_1=max(0.0, float(truth.max() - _expected_best(ordered, truth, 1))),  # not -1e-17
        regret_5=max(0.0, float(truth.max() - _expected_best(ordered, truth, 5))),
    )


def mean_quality(qualities: list[Quality]) -> Quality:
    """Mean over targets."""
    rows = np.array([(quality.spearman, quality.regret_1, quality.regret_5) for quality in qualities])
    return Quality(*(float(value) for value in rows.mean(axis=0)))


def mean_ranks(columns: list[Values]) -> Values:
    """Mean over scores of each candidate's rank in [0, 1], 1 is best, ties share their mean; NaN ranks last."""
    ranks = [rankdata(np.where(np.isnan(column), -np.inf, column)) for column in columns]
    result: Values = (np.mean(ranks, axis=0) - 1) / max(1, len(ranks[0]) - 1)
    return result


def _spearman(scores: Values, truth: Values) -> float:
    a, b = rankdata(scores), rankdata(truth)
    if len(set(a)) < 2 or len(set(b)) < 2:
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])


def _expected_best(scores: Values, truth: Values, places: int) -> float:
    """Expected best truth among the first `places`, over a random order within ties, exactly.

    Every candidate above the tie that crosses the border is in; of the m tied ones a random subset of size r is. The
    chance that the i-th best of the tied is the best drawn is C(m - i, r - 1) / C(m, r).
    """
    places = min(places, len(scores))
    border = np.sort(scores)[::-1][places - 1]
    sure = truth[scores > border]
    tied = np.sort(truth[scores == border])[::-1]
    floor = float(sure.max()) if len(sure) else -np.inf
    drawn = places - len(sure)
    expected, none_better = 0.0, 1.0
    for place, value in enumerate(tied):
        left = len(tied) - place
        chance = drawn / left if left > drawn else 1.0
        expected += none_better * chance * max(float(value), floor)
        none_better *= 1.0 - chance
    return expected

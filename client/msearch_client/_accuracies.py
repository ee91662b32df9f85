"""What accuracy a recommendation expects of each candidate, and where that comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from msearch_client._rankings import Candidate, Ranking
from msearch_deployment import Figure, Origin, Wish

CLAIM = "source_accuracy"
CLAIMED = (
    "accuracies are what was reached on the models' own source data (claimed), not predictions for this data: rerank "
    "runs the candidates on the rows and predicts them"
)
FROM_SIGNATURES = (
    "accuracies are predicted from signatures alone; rerank runs the candidates on the rows and tells more"
)
_BY_ACCURACY, _BY_PLACE = "accuracy", "place"
_FROM_OUTPUTS = "outputs"


def accuracies(ranking: Ranking) -> Mapping[str, Figure]:
    """By model id: what is predicted for the target, with its 90 % interval.

    Only where nothing is predicted for any candidate, what they reached on their own source data or their owners claim:
    the two do not compare, so they never stand in one choice.
    """
    predicted = {
        candidate.model.id: Figure(found.accuracy, found.low, found.high, Origin.PREDICTED)
        for candidate in ranking
        if (found := candidate.prediction) is not None and found.accuracy is not None
    }
    return predicted or {
        candidate.model.id: Figure(claim, origin=Origin.CLAIMED)
        for candidate in ranking
        if (claim := _claim(candidate)) is not None
    }


def settle(wish: Wish, ranking: Ranking) -> tuple[Wish, tuple[str, ...]]:
    """What decides where the caller did not say, and what to know of the accuracies."""
    forms = {
        candidate.prediction.form
        for candidate in ranking
        if candidate.prediction is not None and candidate.prediction.accuracy is not None
    }
    notices: tuple[str, ...] = ()
    if not forms and any(_claim(candidate) is not None for candidate in ranking):
        notices = (CLAIMED,)
    elif forms and _FROM_OUTPUTS not in forms:
        notices = (FROM_SIGNATURES,)
    if wish.prefer:
        return wish, notices
    return replace(wish, prefer=_BY_ACCURACY if forms else _BY_PLACE), notices


def _claim(candidate: Candidate) -> float | None:
    return next((value.value for value in candidate.scores if value.score == CLAIM), None)

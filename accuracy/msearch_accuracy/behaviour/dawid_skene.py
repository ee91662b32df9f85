"""Dawid-Skene accuracy: the posterior of the candidate's own votes, from the votes of all.

dawid_skene = mean_i P(y_i = v_i | votes of all candidates)
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from msearch_accuracy.behaviour._definition import (
    Behaviour,
    BehaviourInfo,
    BehaviourScore,
    BehaviourValue,
)
from msearch_accuracy.dawid_skene import dawid_skene as estimate

INFO = BehaviourInfo(
    name="dawid_skene",
    summary="Mean posterior of its votes under Dawid-Skene over all candidates.",
    formula="mean_i P(y_i = v_i | votes)",
    source="Dawid & Skene 1979",
    lowest=0.0,
    highest=1.0,
    needs=("votes",),
    estimates_accuracy=True,
)


def _compute(behaviour: Behaviour) -> float | BehaviourValue:
    if behaviour.votes is None or len(behaviour.votes) < 3:
        return BehaviourValue(float("nan"), "at least three candidates are needed")
    votes = np.ascontiguousarray(behaviour.votes, np.int64)
    posterior = _posterior(votes.tobytes(), votes.shape, max(behaviour.union, int(votes.max()) + 1))
    return float(posterior[np.arange(votes.shape[1]), votes[behaviour.place]].mean())


@lru_cache(maxsize=2)
def _posterior(votes: bytes, shape: tuple[int, ...], classes: int) -> NDArray[np.float64]:
    """The same for all candidates whose votes are judged together."""
    return estimate(np.frombuffer(votes, np.int64).reshape(shape), classes)


SCORE = BehaviourScore(INFO, _compute)

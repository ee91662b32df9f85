"""Consensus: how often the other candidates vote as this one.

consensus = mean_i share of the other candidates with the same vote
"""

from __future__ import annotations

from msearch_accuracy.behaviour._definition import (
    Behaviour,
    BehaviourInfo,
    BehaviourScore,
    BehaviourValue,
)

INFO = BehaviourInfo(
    name="consensus",
    summary="Mean share of the other candidates that vote the same.",
    formula="mean_i 1/(C-1) sum_{c != own} 1[v_ci = v_i]",
    source="ensemble agreement, e.g. Jiang et al. 2022",
    lowest=0.0,
    highest=1.0,
    needs=("votes",),
    estimates_accuracy=True,
)


def _compute(behaviour: Behaviour) -> float | BehaviourValue:
    votes = behaviour.votes
    if votes is None or len(votes) < 2:
        return BehaviourValue(float("nan"), "at least two candidates are needed")
    same = (votes == votes[behaviour.place]).sum(axis=0) - 1
    return float(same.mean() / (len(votes) - 1))


SCORE = BehaviourScore(INFO, _compute)

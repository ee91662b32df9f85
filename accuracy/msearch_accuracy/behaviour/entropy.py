"""Negative mean entropy of the predictions, in nats.

entropy = -mean_i H(p_i), under the validation temperature
"""

from __future__ import annotations

from msearch_accuracy.behaviour._definition import (
    Behaviour,
    BehaviourInfo,
    BehaviourScore,
    entropies,
)

INFO = BehaviourInfo(
    name="entropy",
    summary="Minus the mean entropy of the predictions.",
    formula="-mean_i H(p_i)",
    source="Guillory et al. 2021",
    lowest=None,
    highest=0.0,
)


def _compute(behaviour: Behaviour) -> float:
    return -float(entropies(behaviour.calibrated).mean())


SCORE = BehaviourScore(INFO, _compute)

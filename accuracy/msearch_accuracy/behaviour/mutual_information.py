"""Mutual information of row and class, in nats: sure on each row, spread over all.

mutual_information = H(mean_i p_i) - mean_i H(p_i)
"""

from __future__ import annotations

from msearch_accuracy.behaviour._definition import (
    Behaviour,
    BehaviourInfo,
    BehaviourScore,
    entropies,
)

INFO = BehaviourInfo(
    name="mutual_information",
    summary="Entropy of the mean prediction less the mean entropy.",
    formula="H(mean p) - mean H(p_i)",
    source="Bridle et al. 1991",
    lowest=0.0,
    highest=None,
)


def _compute(behaviour: Behaviour) -> float:
    values = behaviour.calibrated
    # Rounding may leave a constant output a hair below zero.
    return max(0.0, float(entropies(values.mean(axis=0)) - entropies(values).mean()))


SCORE = BehaviourScore(INFO, _compute)

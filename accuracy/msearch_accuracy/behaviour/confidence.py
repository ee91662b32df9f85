"""Mean confidence: how sure the model is of its own predictions.

confidence = mean over rows of max_k p_ik, under the validation temperature
"""

from __future__ import annotations

from msearch_accuracy.behaviour._definition import Behaviour, BehaviourInfo, BehaviourScore

INFO = BehaviourInfo(
    name="confidence",
    summary="Mean of the largest probability.",
    formula="mean_i max_k p_ik",
    source="Hendrycks & Gimpel 2017",
    lowest=0.0,
    highest=1.0,
    estimates_accuracy=True,
)


def _compute(behaviour: Behaviour) -> float:
    return float(behaviour.calibrated.max(axis=1).mean())


SCORE = BehaviourScore(INFO, _compute)

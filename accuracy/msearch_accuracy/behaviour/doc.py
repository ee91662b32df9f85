"""Difference of confidences.

doc = accuracy_val - (confidence_val - confidence_target), cut to [0, 1]
"""

from __future__ import annotations

from msearch_accuracy.behaviour._definition import Behaviour, BehaviourInfo, BehaviourScore

INFO = BehaviourInfo(
    name="doc",
    summary="Validation accuracy less the loss of confidence.",
    formula="acc_val - (conf_val - conf_T)",
    source="Guillory et al. 2021",
    lowest=0.0,
    highest=1.0,
    needs=("validation",),
    estimates_accuracy=True,
)


def _compute(behaviour: Behaviour) -> float:
    own = behaviour.validation
    if own is None:
        return float("nan")
    # The validation confidence is of calibrated outputs, as the target's.
    value = own.accuracy - (own.mean_confidence - float(behaviour.calibrated.max(axis=1).mean()))
    return min(1.0, max(0.0, value))


SCORE = BehaviourScore(INFO, _compute)

"""MaNo: how far the logits lie from the decision boundaries.

    mano = (1/(NK) sum_ik sigma(q)_ik^4)^(1/4)

sigma is softmax, or, where the predictions are close to uniform (mean KL from uniform at most 5 in the paper's scale,
here: mean -log p over classes), 1 + q + q^2/2 normalised to sum to 1. The logits are recovered as log p, centred.
"""

from __future__ import annotations

import numpy as np

from msearch_accuracy.behaviour._definition import Behaviour, BehaviourInfo, BehaviourScore

INFO = BehaviourInfo(
    name="mano",
    summary="Norm of the normalised logits.",
    formula="(1/(NK) sum sigma(q)^4)^(1/4)",
    source="Xie et al. 2024",
    lowest=0.0,
    highest=1.0,
)


_CALIBRATED_BELOW = 5.0
"""The criterion of the paper: the mean of -log softmax over rows and classes; above, softmax is overconfident."""


def _compute(behaviour: Behaviour) -> float:
    values = np.asarray(behaviour.probabilities, np.float64)
    logs = np.log(np.maximum(values, 1e-12))
    if -float(logs.mean()) > _CALIBRATED_BELOW:
        sigma = values
    else:
        logits = logs - logs.mean(axis=1, keepdims=True)
        powers = 1 + logits + logits**2 / 2  # at least 1/2
        sigma = powers / powers.sum(axis=1, keepdims=True)
    return float((sigma**4).mean() ** 0.25)


SCORE = BehaviourScore(INFO, _compute)

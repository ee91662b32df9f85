"""Average thresholded confidence, negative-entropy form.

atc = mean_i 1[s_i >= theta],  s = sum_k p log p,  theta with P_val[s < theta] = validation error
"""

from __future__ import annotations

import numpy as np

from msearch_accuracy.behaviour._definition import Behaviour, BehaviourInfo, BehaviourScore
from msearch_accuracy.calibration import negative_entropies

INFO = BehaviourInfo(
    name="atc",
    summary="Share of rows that score above the threshold that fits the validation error.",
    formula="mean_i 1[sum_k p log p >= theta]",
    source="Garg et al. 2022",
    lowest=0.0,
    highest=1.0,
    needs=("validation",),
    estimates_accuracy=True,
)


def _compute(behaviour: Behaviour) -> float:
    threshold = behaviour.validation.atc_threshold if behaviour.validation else np.nan
    return float((negative_entropies(behaviour.calibrated) >= threshold).mean())


SCORE = BehaviourScore(INFO, _compute)

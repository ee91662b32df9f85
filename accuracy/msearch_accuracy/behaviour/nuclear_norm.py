"""Nuclear norm: predictions that are both sure and spread over the classes.

nuclear_norm = ||P||_* / sqrt(N min(N, K)), at most 1
"""

from __future__ import annotations

import numpy as np

from msearch_accuracy.behaviour._definition import Behaviour, BehaviourInfo, BehaviourScore

INFO = BehaviourInfo(
    name="nuclear_norm",
    summary="Nuclear norm of the matrix of predictions, normalised.",
    formula="||P||_* / sqrt(N min(N, K))",
    source="Deng et al. 2023",
    lowest=0.0,
    highest=1.0,
)


def _compute(behaviour: Behaviour) -> float:
    values = behaviour.calibrated
    return float(np.linalg.norm(values, "nuc") / np.sqrt(len(values) * min(values.shape)))


SCORE = BehaviourScore(INFO, _compute)

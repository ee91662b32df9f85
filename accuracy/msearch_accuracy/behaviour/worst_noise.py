"""Weight-noise robustness: do the predictions survive noise on the weights.

    worst_noise = mean over draws s and rows i of 1[v_i = v_i under weights w + N(0, (eta std(w))^2)]

The draws are of a fixed grid of eta with at least 10 seeds each; they are made where the model can be run.
"""

from __future__ import annotations

import numpy as np

from msearch_accuracy.behaviour._definition import (
    Behaviour,
    BehaviourInfo,
    BehaviourScore,
    BehaviourValue,
)

INFO = BehaviourInfo(
    name="worst_noise",
    summary="Agreement of the predictions with those under weight noise.",
    formula="mean_s mean_i 1[v_i = v_is]",
    source="weight-noise robustness of the model-search papers",
    lowest=0.0,
    highest=1.0,
    needs=("noisy",),
)


NOISE_GRID = (0.02, 0.05, 0.1, 0.2)
"""Noise over the standard deviation of each weight tensor; the same for every model, so that scores compare."""

LEAST_SEEDS = 10


def _compute(behaviour: Behaviour) -> float | BehaviourValue:
    noisy = behaviour.noisy
    votes = np.asarray(behaviour.probabilities).argmax(axis=1)
    if noisy is None or noisy.ndim != 2 or noisy.shape[1] != len(votes) or len(noisy) < LEAST_SEEDS:
        return BehaviourValue(float("nan"), f"at least {LEAST_SEEDS} noisy predictions [s, n] are needed")
    return float((noisy == votes).mean())


SCORE = BehaviourScore(INFO, _compute)

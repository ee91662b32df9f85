"""Temperature scaling, and the thresholds that behaviour scores take from a labelled validation sample."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from msearch_accuracy.errors import AccuracyError

_LEAST, _MOST = 0.1, 10.0
_TINY = 1e-12
_GOLDEN = (np.sqrt(5.0) - 1) / 2


def scale_by_temperature(probabilities: NDArray[Any], temperature: float) -> NDArray[np.float64]:
    """softmax(log p / T): what softmax of the logits divided by T gives. [..., K] -> [..., K]"""
    if not np.isfinite(temperature) or temperature <= 0:
        raise AccuracyError(f"a temperature must be a positive number, not {temperature}")
    values = np.log(np.maximum(np.asarray(probabilities, np.float64), _TINY)) / temperature
    values = np.exp(values - values.max(axis=-1, keepdims=True))
    scaled: NDArray[np.float64] = values / values.sum(axis=-1, keepdims=True)
    return scaled


def fit_temperature(probabilities: NDArray[Any], labels: NDArray[Any]) -> float:
    """The temperature in [0.1, 10] with the least negative log-likelihood (Guo et al. 2017).

    Args:
        probabilities: [n, K]
        labels: [n], the index of each row's class; rows with -1 are left out. Without any row the answer is 1.
    """
    kept = np.asarray(labels) >= 0
    if not kept.any():
        return 1.0
    logs = np.log(np.maximum(np.asarray(probabilities, np.float64)[kept], _TINY))
    right = np.asarray(labels)[kept]

    def loss(log_temperature: float) -> float:
        values = logs / np.exp(log_temperature)
        top = values.max(axis=1)
        total = top + np.log(np.exp(values - top[:, None]).sum(axis=1))
        return float((total - values[np.arange(len(right)), right]).mean())

    # The loss has one minimum in 1 / T, hence in log T: golden-section search finds it.
    low, high = np.log(_LEAST), np.log(_MOST)
    inner = [high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)]
    losses = [loss(inner[0]), loss(inner[1])]
    for _ in range(30):
        if losses[0] <= losses[1]:
            high, inner = inner[1], [inner[1] - _GOLDEN * (inner[1] - low), inner[0]]
            losses = [loss(inner[0]), losses[0]]
        else:
            low, inner = inner[0], [inner[1], inner[0] + _GOLDEN * (high - inner[0])]
            losses = [losses[1], loss(inner[1])]
    return float(np.exp((low + high) / 2))


def negative_entropies(probabilities: NDArray[Any]) -> NDArray[np.float64]:
    """sum_k p log p of each row, at most 0; ATC's score. [n, K] -> [n]"""
    values = np.asarray(probabilities, np.float64)
    result: NDArray[np.float64] = (values * np.log(np.maximum(values, _TINY))).sum(axis=1)
    return result


def fit_atc_threshold(probabilities: NDArray[Any], correct: NDArray[np.bool_]) -> float:
    """The threshold below which as many validation rows score as are wrong (Garg et al. 2022)."""
    scores = np.sort(negative_entropies(probabilities))
    wrong = int(np.count_nonzero(~np.asarray(correct)))
    if not len(scores):
        raise AccuracyError("the ATC threshold needs validation rows")
    return float(scores[wrong]) if wrong < len(scores) else float(np.nextafter(scores[-1], np.inf))

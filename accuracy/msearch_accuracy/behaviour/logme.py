"""LogME: the evidence of labels given a model's features, for choosing what to fine-tune.

    logme = mean over classes of max over alpha, beta of log p(y | F, alpha, beta) / n

A Bayesian linear model with weights N(0, 1/alpha) and noise 1/beta; the fixed point runs on the singular values of F.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from msearch_accuracy.behaviour._definition import (
    Behaviour,
    BehaviourInfo,
    BehaviourScore,
    BehaviourValue,
)

INFO = BehaviourInfo(
    name="logme",
    summary="Largest log evidence of the labels given the features, per row.",
    formula="max_{alpha,beta} 1/n log p(y | F, alpha, beta)",
    source="You et al. 2021",
    lowest=None,
    highest=None,
    needs=(
        "features",
        "labels",
    ),
)


_ROUNDS = 30
_SETTLED = 1e-4
_LIMIT = 1e9


def _compute(behaviour: Behaviour) -> float | BehaviourValue:
    features, labels = behaviour.features, behaviour.labels
    if features is None or labels is None or len(features) != len(labels) or len(labels) < 2:
        return BehaviourValue(float("nan"), "at least two labelled rows with features are needed")
    values = np.asarray(features, np.float64)
    if values.ndim != 2 or not np.isfinite(values).all():
        return BehaviourValue(float("nan"), "the features must be finite numbers [m, d]")
    left, singular, _ = np.linalg.svd(values, full_matrices=False)
    classes = [label for label in np.unique(labels) if label >= 0]
    if not classes:
        return BehaviourValue(float("nan"), "no label is of a class that the model knows")
    return float(
        np.mean([_evidence(left, singular, values.shape, (labels == label).astype(float)) for label in classes])
    )


def _evidence(
    left: NDArray[np.float64], singular: NDArray[np.float64], shape: tuple[int, int], label: NDArray[np.float64]
) -> float:
    """Log evidence per row of one class's indicator, at the fixed point of MacKay's updates."""
    count, width = shape
    projected = left.T @ label
    squares = singular**2
    rest = max(float(label @ label - projected @ projected), 0.0)
    alpha, beta = 1.0, 1.0
    for _ in range(_ROUNDS):
        ratio = alpha / beta
        effective = float((squares / (squares + ratio)).sum())
        weight_square = float((squares * projected**2 / (squares + ratio) ** 2).sum())
        residual = float(((ratio * projected / (squares + ratio)) ** 2).sum()) + rest
        alpha = min(_LIMIT, effective / (weight_square + 1e-12))
        beta = min(_LIMIT, max(count - effective, 1e-9) / (residual + 1e-12))
        if abs(alpha / beta - ratio) <= _SETTLED * ratio:
            break
    ratio = alpha / beta
    weight_square = float((squares * projected**2 / (squares + ratio) ** 2).sum())
    residual = float(((ratio * projected / (squares + ratio)) ** 2).sum()) + rest
    log_determinant = float(np.log(alpha + beta * squares).sum()) + (width - len(squares)) * np.log(alpha)
    evidence = count * np.log(beta) + width * np.log(alpha) - count * np.log(2 * np.pi)
    evidence -= beta * residual + alpha * weight_square + log_determinant
    return float(evidence / (2 * count))


SCORE = BehaviourScore(INFO, _compute)

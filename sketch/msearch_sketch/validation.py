"""What a model's outputs on labelled held-out rows say about how far its confidence can be trusted."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from msearch_sketch.errors import DatasetError
from msearch_sketch.signature import Validation

BINS = 15
_LEAST_PROBABILITY = 1e-12
_LOWEST_TEMPERATURE, _HIGHEST_TEMPERATURE = 0.05, 20.0
_GOLDEN_RATIO = (math.sqrt(5) - 1) / 2


def validation_statistics(probabilities: ArrayLike, labels: ArrayLike) -> Validation:
    """Accuracy, temperature and confidence statistics of softmax outputs.

    Mean confidence, ATC threshold and histogram are those of the outputs after temperature scaling: whoever compares
    them with a model's outputs on other rows applies `scale_temperature` to these first.

    - temperature: minimises the negative log-likelihood (Guo et al. 2017), searched from 0.05 to 20.
    - ATC threshold (Garg et al. 2022): theta with P[s < theta] = error, s = sum_k p_k ln p_k, the negative entropy.

    Args:
        probabilities: outputs of the model, each row summing to 1, [n, K].
        labels: index of the right class, [n].

    Raises:
        DatasetError: the arrays do not fit each other, or hold no rows, no probabilities or unknown classes.
    """
    raw = check_probabilities(probabilities)
    right = np.asarray(labels)
    if right.shape != (len(raw),) or not np.issubdtype(right.dtype, np.integer):
        raise DatasetError(f"{len(raw)} rows of probabilities need as many integer labels, not {right.shape}")
    if not len(raw):
        raise DatasetError("there is no labelled row to validate on")
    if int(right.min()) < 0 or int(right.max()) >= raw.shape[1]:
        raise DatasetError(f"the labels must lie between 0 and {raw.shape[1] - 1}, the last class of the probabilities")
    temperature = fit_temperature(raw, right)
    scaled = scale_temperature(raw, temperature)
    confidence = scaled.max(axis=1)
    correct = raw.argmax(axis=1) == right
    bins = np.minimum((confidence * BINS).astype(np.int64), BINS - 1)
    return Validation(
        accuracy=float(correct.mean()),
        count=len(raw),
        temperature=temperature,
        mean_confidence=float(confidence.mean()),
        atc_threshold=_atc_threshold(scaled, int((~correct).sum())),
        confidence_counts=tuple(np.bincount(bins, minlength=BINS).tolist()),
        confidence_correct=tuple(np.bincount(bins[correct], minlength=BINS).tolist()),
    )


def check_probabilities(probabilities: ArrayLike) -> NDArray[np.float64]:
    """The array as float64 [n, K], K at least 2.

    Raises:
        DatasetError: it has another shape, a value outside [0, 1], or a row that does not sum to 1.
    """
    raw = np.asarray(probabilities, np.float64)
    if raw.ndim != 2 or raw.shape[1] < 2:
        raise DatasetError(f"probabilities must have the shape [rows, classes >= 2], not {raw.shape}")
    # Written so that NaN fails.
    if not ((raw >= 0).all() and (raw <= 1 + 1e-6).all() and (np.abs(raw.sum(axis=1) - 1) <= 1e-2).all()):
        raise DatasetError("probabilities must lie in [0, 1] and sum to 1 in each row; apply softmax to logits first")
    return raw


def scale_temperature(probabilities: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
    """softmax(ln p / T), with probabilities below 1e-12 raised to that. [n, K]"""
    logits = np.log(np.maximum(probabilities, _LEAST_PROBABILITY)) / temperature
    exponentials: NDArray[np.float64] = np.exp(logits - logits.max(axis=1, keepdims=True))
    exponentials /= exponentials.sum(axis=1, keepdims=True)
    return exponentials


def fit_temperature(probabilities: NDArray[np.float64], labels: NDArray[np.integer]) -> float:
    """Temperature of the least negative log-likelihood.

    The loss is convex in 1 / T, hence unimodal in ln T, where a golden-section search runs to a relative 1e-4.
    """
    logits = np.log(np.maximum(probabilities, _LEAST_PROBABILITY))
    logits -= logits.max(axis=1, keepdims=True)
    chosen = logits[np.arange(len(logits)), labels]

    def loss(log_temperature: float) -> float:
        scale = math.exp(-log_temperature)
        return float((np.log(np.exp(logits * scale).sum(axis=1)) - chosen * scale).mean())

    low, high = math.log(_LOWEST_TEMPERATURE), math.log(_HIGHEST_TEMPERATURE)
    left, right = high - _GOLDEN_RATIO * (high - low), low + _GOLDEN_RATIO * (high - low)
    loss_left, loss_right = loss(left), loss(right)
    while high - low > 1e-4:
        if loss_left <= loss_right:
            high, right, loss_right = right, left, loss_left
            left = high - _GOLDEN_RATIO * (high - low)
            loss_left = loss(left)
        else:
            low, left, loss_left = left, right, loss_right
            right = low + _GOLDEN_RATIO * (high - low)
            loss_right = loss(right)
    return math.exp((low + high) / 2)


def _atc_threshold(probabilities: NDArray[np.float64], errors: int) -> float:
    scores = np.sort((probabilities * np.log(np.maximum(probabilities, _LEAST_PROBABILITY))).sum(axis=1))
    # As many scores lie below the threshold as there are errors, ties apart.
    return float(scores[errors]) if errors < len(scores) else float(np.nextafter(scores[-1], np.inf))

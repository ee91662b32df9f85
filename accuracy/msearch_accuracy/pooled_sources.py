"""The labelled centroids of all sources together, as three classifiers whose trust is measured on the sources.

How far a classifier of pooled centroids can be believed differs much between kinds of data. It need not be guessed:
each source's labelled centroids are classified by the others', and a temperature is fitted to the outcome. The three
are put together under their temperatures, so one that is no good becomes flat there and says nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from msearch_accuracy.calibration import fit_temperature, scale_by_temperature
from msearch_accuracy.evidence import Coreset, pairwise_distances

Posterior = NDArray[np.float64]
Scores = NDArray[np.float64]

_NEIGHBOURS = 10
_FOURIER_FEATURES = 200
_CHECKED = 40
"""Centroids of each source on which the classifiers are checked."""
_SHARPNESS = 5.0
_UNCHECKED_TEMPERATURE = 2.0


@dataclass(slots=True, eq=False)
class Pool:
    """Centroids [m, d] of several sources: rows they stand for, index of their class, and of their source."""

    points: NDArray[np.float32]
    weights: NDArray[np.float64]
    labels: NDArray[np.int64]
    owners: NDArray[np.int64]


def pool_sources(sources: Sequence[Coreset], classes: tuple[str, ...], dimension: int) -> Pool:
    """Pools the centroids whose class is one of `classes`."""
    places = {name: place for place, name in enumerate(classes)}
    points = [np.zeros((0, dimension), np.float32)]
    weights: list[NDArray[np.floating]] = [np.zeros(0)]
    labels, owners = [], []
    for owner, source in enumerate(sources):
        to_union = np.array([places.get(name, -1) for name in source.classes] + [-1], np.int64)
        own = to_union[source.labels]
        kept = own >= 0
        points.append(source.points[kept])
        # Each source has the same say, however many rows it has.
        weights.append(source.weights[kept] / max(float(source.weights[kept].sum()), 1e-9) * len(own))
        labels.append(own[kept])
        owners.append(np.full(int(kept.sum()), owner))
    nothing = np.zeros(0, np.int64)
    return Pool(
        np.concatenate(points),
        np.concatenate(weights).astype(np.float64),
        np.concatenate([nothing, *labels]),
        np.concatenate([nothing, *owners]),
    )


def ask_pool(pool: Pool, rows: NDArray[np.float32], classes: int) -> tuple[dict[str, Posterior], NDArray[np.float32]]:
    """Posteriors [n, K] by classifier and, calibrated, of all together ("pooled"); distances to the pool [n]."""
    checked = _choose_checked(pool)
    mean, deviation = np.average(pool.points, axis=0, weights=pool.weights), pool.points.std(axis=0) + 1e-6
    left, right = (pool.points - mean) / deviation, (rows - mean) / deviation
    distances = pairwise_distances(rows, pool.points)
    among = pairwise_distances(pool.points[checked], pool.points)
    among[pool.owners[checked][:, None] == pool.owners[None]] = np.inf
    scores = {
        "pooled_knn": (_neighbours(distances, pool.labels, classes), _neighbours(among, pool.labels, classes)),
        "pooled_linear": _ridge(pool, left, right, checked, classes=classes, strength=1.0),
        "pooled_fourier": _ridge(pool, _fourier(left), _fourier(right), checked, classes=classes, strength=0.01),
    }
    labels = pool.labels[checked]
    several = len(np.unique(pool.owners)) > 1
    posteriors = {}
    logs, checked_logs = np.zeros((len(rows), classes)), np.zeros((len(checked), classes))
    for name, (asked, known) in scores.items():
        temperature = fit_temperature(known, labels) if several else _UNCHECKED_TEMPERATURE
        posteriors[name] = asked
        logs += np.log(scale_by_temperature(asked, temperature) + 1e-9)
        checked_logs += np.log(scale_by_temperature(known, temperature) + 1e-9)
    temperature = fit_temperature(_softmax(checked_logs), labels) if several else _UNCHECKED_TEMPERATURE
    posteriors["pooled"] = scale_by_temperature(_softmax(logs), temperature)
    return posteriors, distances.min(axis=1)


def _choose_checked(pool: Pool) -> NDArray[np.int64]:
    """Up to `_CHECKED` centroids of each source, spread evenly."""
    chosen = [np.zeros(0, np.int64)]
    for owner in np.unique(pool.owners):
        own = np.flatnonzero(pool.owners == owner)
        chosen.append(own[np.unique(np.linspace(0, len(own) - 1, min(len(own), _CHECKED)).astype(np.int64))])
    return np.concatenate(chosen)


def _neighbours(distances: NDArray[np.float32], labels: NDArray[np.int64], classes: int) -> Posterior:
    """Votes of the nearest centroids, weighted by distance, as a posterior."""
    count = min(_NEIGHBOURS, distances.shape[1])
    near = np.argpartition(distances, count - 1, axis=1)[:, :count]
    found = np.take_along_axis(distances, near, axis=1)
    reach = np.median(np.where(np.isfinite(found), found, 0), axis=1, keepdims=True) + 1e-6
    weights = np.exp(-found / reach)
    cells = np.arange(len(distances))[:, None] * classes + labels[near]
    votes = np.bincount(cells.ravel(), weights.ravel(), len(distances) * classes).reshape(-1, classes) + 1e-2
    posterior: Posterior = votes / votes.sum(axis=1, keepdims=True)
    return posterior


def _ridge(
    pool: Pool,
    left: NDArray[np.float64],
    right: NDArray[np.float64],
    checked: NDArray[np.int64],
    *,
    classes: int,
    strength: float,
) -> tuple[Posterior, Posterior]:
    """Ridge regression on one-hot classes, for the rows, and for checked centroids without their own source.

    Leaving a source out takes its part off the Gram matrix, so only small systems are solved again.
    """
    left = np.hstack([left, np.ones((len(left), 1))])
    right = np.hstack([right, np.ones((len(right), 1))])
    hot = np.eye(classes)[pool.labels]
    share = (pool.weights / pool.weights.mean())[:, None]
    ridge = strength * np.eye(left.shape[1])
    gram, moment = left.T @ (left * share), left.T @ (hot * share)
    asked = right @ np.linalg.solve(gram + ridge, moment)
    known = np.zeros((len(checked), classes))
    for owner in np.unique(pool.owners):
        own = pool.owners == owner
        part = left[own] * share[own]
        rest = np.linalg.solve(gram - part.T @ left[own] + ridge, moment - part.T @ hot[own])
        place = pool.owners[checked] == owner
        known[place] = left[checked[place]] @ rest
    return _softmax(_SHARPNESS * asked), _softmax(_SHARPNESS * known)


def _fourier(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Random Fourier features of a Gaussian kernel (Rahimi & Recht 2007)."""
    random = np.random.default_rng(0)
    dimension = values.shape[1]
    directions = random.normal(size=(dimension, _FOURIER_FEATURES)) / np.sqrt(dimension)
    phases = random.uniform(0, 2 * np.pi, _FOURIER_FEATURES)
    features: NDArray[np.float64] = np.cos(values @ directions + phases) * np.sqrt(2 / _FOURIER_FEATURES)
    return features


def _softmax(scores: Scores) -> Posterior:
    values = np.exp(scores - scores.max(axis=1, keepdims=True))
    posterior: Posterior = values / values.sum(axis=1, keepdims=True)
    return posterior

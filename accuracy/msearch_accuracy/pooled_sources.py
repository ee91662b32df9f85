"""The labelled centroids of all sources together, as three classifiers whose trust is measured on the sources.

How far a classifier of pooled centroids can be believed differs much between kinds of data. It need not be guessed:
each source's labelled centroids are classified by the others', and a temperature is fitted to the outcome. The three
are put together under their temperatures, so one that is no good becomes flat there and says nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

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


@dataclass(slots=True, eq=False)
class PreparedPool:
    """A pool with its classifiers fitted: `checked` centroids, what each classifier says of them, and temperatures."""

    pool: Pool
    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]
    linear: NDArray[np.float64]
    fourier: NDArray[np.float64]
    temperatures: dict[str, float]


CLASSIFIERS = ("pooled_knn", "pooled_linear", "pooled_fourier")


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


# The same sources are asked about target after target; they are compared by identity.
@lru_cache(maxsize=4)
def prepare_pool(sources: tuple[Coreset, ...], classes: tuple[str, ...], dimension: int) -> PreparedPool | None:
    """Pools sources and fits the classifiers; None where no centroid has one of the classes."""
    pool = pool_sources(sources, classes, dimension)
    if not len(pool.points):
        return None
    count = len(classes)
    checked = _choose_checked(pool)
    mean = np.asarray(np.average(pool.points, axis=0, weights=pool.weights), np.float64)
    deviation = np.asarray(pool.points.std(axis=0), np.float64) + 1e-6
    left = (pool.points - mean) / deviation
    among = pairwise_distances(pool.points[checked], pool.points)
    among[pool.owners[checked][:, None] == pool.owners[None]] = np.inf
    linear, linear_known = _fit_ridge(pool, left, checked, classes=count, strength=1.0)
    fourier, fourier_known = _fit_ridge(pool, _fourier(left), checked, classes=count, strength=0.01)
    known = dict(zip(CLASSIFIERS, (_neighbours(among, pool.labels, count), linear_known, fourier_known), strict=True))
    names = (*CLASSIFIERS, "pooled")
    if len(np.unique(pool.owners)) < 2:
        temperatures = dict.fromkeys(names, _UNCHECKED_TEMPERATURE)
    else:
        labels = pool.labels[checked]
        temperatures = {name: fit_temperature(said, labels) for name, said in known.items()}
        temperatures["pooled"] = fit_temperature(_put_together(known, temperatures), labels)
    return PreparedPool(pool, mean, deviation, linear, fourier, temperatures)


def ask_pool(
    prepared: PreparedPool, rows: NDArray[np.float32], classes: int
) -> tuple[dict[str, Posterior], NDArray[np.float32]]:
    """Posteriors [n, K] by classifier and, calibrated, of all together ("pooled"); distances to the pool [n]."""
    right = (rows - prepared.mean) / prepared.deviation
    distances = pairwise_distances(rows, prepared.pool.points)
    posteriors = {
        "pooled_knn": _neighbours(distances, prepared.pool.labels, classes),
        "pooled_linear": _softmax(_SHARPNESS * (_with_one(right) @ prepared.linear)),
        "pooled_fourier": _softmax(_SHARPNESS * (_with_one(_fourier(right)) @ prepared.fourier)),
    }
    together = _put_together(posteriors, prepared.temperatures)
    posteriors["pooled"] = scale_by_temperature(together, prepared.temperatures["pooled"])
    return posteriors, distances.min(axis=1)


def _put_together(said: Mapping[str, Posterior], temperatures: Mapping[str, float]) -> Posterior:
    """The product of the posteriors, each under its temperature."""
    logs = sum(np.log(scale_by_temperature(said[name], temperatures[name]) + 1e-9) for name in CLASSIFIERS)
    return _softmax(np.asarray(logs))


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


def _fit_ridge(
    pool: Pool, left: NDArray[np.float64], checked: NDArray[np.int64], *, classes: int, strength: float
) -> tuple[NDArray[np.float64], Posterior]:
    """Coefficients of a ridge regression on one-hot classes, and posteriors of checked centroids without their source.

    Leaving a source out takes its part off the Gram matrix, so only small systems are solved again.
    """
    left = _with_one(left)
    hot = np.eye(classes)[pool.labels]
    share = (pool.weights / pool.weights.mean())[:, None]
    ridge = strength * np.eye(left.shape[1])
    gram, moment = left.T @ (left * share), left.T @ (hot * share)
    known = np.zeros((len(checked), classes))
    for owner in np.unique(pool.owners):
        own = pool.owners == owner
        part = left[own] * share[own]
        rest = np.linalg.solve(gram - part.T @ left[own] + ridge, moment - part.T @ hot[own])
        place = pool.owners[checked] == owner
        known[place] = left[checked[place]] @ rest
    return np.linalg.solve(gram + ridge, moment), _softmax(_SHARPNESS * known)


def _with_one(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.hstack([values, np.ones((len(values), 1))])


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

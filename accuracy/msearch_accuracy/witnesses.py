"""Witnesses: independent opinions on the class of each target row.

No candidate is asked about itself alone. Beside the candidates' votes there are the sources' labelled centroids,
pooled: their nearest neighbours, and two small models trained on them in closed form.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from msearch_accuracy.dawid_skene import dawid_skene
from msearch_accuracy.evidence import Coreset, pairwise_distances
from msearch_accuracy.problem import Problem

WITNESSES = ("dawid_skene", "mean", "near_mean", "pooled_knn", "pooled_linear", "pooled_fourier", "combined")
"""Names of the posteriors, in the order of the features."""

PANEL = 40
"""The most candidates, and the most sources, that are heard as witnesses; those nearest to the target."""

_NEIGHBOURS = 10
_FOURIER_FEATURES = 300
_CLOSENESS = 4.0
_INDEPENDENCE = 2.5
"""Five log posteriors are summed and divided by this: they err together, so five count as two."""

Posterior = NDArray[np.float64]


@dataclass(slots=True, eq=False)
class Testimony:
    """Posteriors [n, K] by witness, the class prior [K] that the combined one implies, and distances.

    `nearest_any` [n]: to the nearest centroid of any source.
    """

    posteriors: dict[str, Posterior]
    prior: NDArray[np.float64]
    nearest_any: NDArray[np.float32]


def hear(problem: Problem, silenced: frozenset[str] = frozenset()) -> Testimony:
    """Asks all witnesses; sources named in `silenced` are not believed."""
    panel = _panel(problem)
    classes = len(problem.classes)
    told = problem.probabilities[panel].astype(np.float64)
    mean = told.mean(axis=0)
    posteriors = {
        "dawid_skene": dawid_skene(problem.votes[panel], classes, problem.weights),
        "mean": mean / mean.sum(axis=1, keepdims=True),
        "near_mean": _near_mean(told, problem.distances[panel]),
    }
    points, weights, labels, nearest = _pool(problem, panel, silenced)
    if len(points):
        distances = pairwise_distances(problem.rows, points)
        posteriors["pooled_knn"] = _nearest_neighbours(distances, labels, classes)
        nearest_any = distances.min(axis=1)
        posteriors["pooled_linear"] = _ridge(points, labels, weights, problem.rows, classes=classes, strength=1.0)
        posteriors["pooled_fourier"] = _ridge(
            *_fourier(points, weights, labels, problem.rows), classes=classes, strength=0.01
        )
    else:
        # Without labelled centroids the witnesses among the candidates speak for those as well.
        for name in ("pooled_knn", "pooled_linear", "pooled_fourier"):
            posteriors[name] = posteriors["mean"]
        nearest_any = nearest
    logs = (
        np.log(0.9 * posteriors["dawid_skene"] + 0.1 / classes)
        + np.log(0.95 * posteriors["mean"] + 0.05 / classes)
        + np.log(posteriors["pooled_knn"] + 1e-9)
        + np.log(posteriors["pooled_linear"] + 1e-9)
        + np.log(posteriors["pooled_fourier"] + 1e-9)
    ) / _INDEPENDENCE
    likelihood = np.exp(logs - logs.max(axis=1, keepdims=True))
    prior, posteriors["combined"] = fit_prior(likelihood / likelihood.sum(axis=1, keepdims=True), problem.weights)
    return Testimony(posteriors, prior, nearest_any)


def fit_prior(
    likelihood: Posterior, weights: NDArray[np.float64], iterations: int = 50
) -> tuple[NDArray[np.float64], Posterior]:
    """The class prior that maximises the likelihood, and the posteriors under it (Saerens et al. 2002).

    Args:
        likelihood: [n, K], posteriors under a flat prior.
        weights: [n], mean 1.
        iterations: steps of expectation maximisation.
    """
    prior = np.full(likelihood.shape[1], 1 / likelihood.shape[1])
    for _ in range(iterations):
        posterior = likelihood * prior
        posterior /= posterior.sum(axis=1, keepdims=True) + 1e-12
        prior = (posterior * weights[:, None]).mean(axis=0) + 1e-4
        prior /= prior.sum()
    posterior = likelihood * prior
    return prior, posterior / (posterior.sum(axis=1, keepdims=True) + 1e-12)


def _panel(problem: Problem) -> NDArray[np.int64]:
    """Positions of the candidates that are heard."""
    if len(problem.names) <= PANEL:
        return np.arange(len(problem.names))
    far = np.nan_to_num((problem.distances * problem.weights).mean(axis=1), nan=np.inf)
    return np.sort(np.argsort(far, kind="stable")[:PANEL])


def _near_mean(told: NDArray[np.float64], distances: NDArray[np.float32]) -> Posterior:
    """Mean of the candidates' outputs, each weighted on each row by how close its source is."""
    close = fill_distances(distances)
    least = np.maximum(close.min(axis=0, keepdims=True), 1e-6)
    weights = np.exp(-_CLOSENESS * (close / least - 1))
    weights /= weights.sum(axis=0, keepdims=True)
    mean = np.einsum("cn,cnk->nk", weights, told)
    normalised: Posterior = mean / mean.sum(axis=1, keepdims=True)
    return normalised


def fill_distances(distances: NDArray[np.float32]) -> NDArray[np.float64]:
    """Distances with those of candidates without a source replaced by the median of the others'. [C, n]"""
    filled = distances.astype(np.float64)
    missing = np.isnan(filled[:, 0])
    if missing.any():
        filled[missing] = np.median(filled[~missing], axis=0) if not missing.all() else 1.0
    return filled


def _pool(
    problem: Problem, panel: NDArray[np.int64], silenced: frozenset[str]
) -> tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.int64], NDArray[np.float32]]:
    """Labelled centroids of the panel's distinct sources; the last array is a distance where there are none."""
    sources: dict[str, Coreset] = {}
    for at in panel:
        source = problem.sources[at]
        if source is not None and source.name not in silenced:
            sources.setdefault(source.name, source)
    places = {name: place for place, name in enumerate(problem.classes)}
    points, weights, labels = [], [], []
    for source in sources.values():
        to_union = np.array([places.get(name, -1) for name in source.classes] + [-1], np.int64)
        own = to_union[source.labels]
        kept = own >= 0
        points.append(source.points[kept])
        weights.append(source.weights[kept])
        labels.append(own[kept])
    dimension = problem.rows.shape[1]
    return (
        np.concatenate([np.zeros((0, dimension), np.float32), *points]),
        np.concatenate([np.zeros(0), *weights]).astype(np.float64),
        np.concatenate([np.zeros(0, np.int64), *labels]),
        fill_distances(problem.distances[panel]).min(axis=0).astype(np.float32),
    )


def _nearest_neighbours(distances: NDArray[np.float32], labels: NDArray[np.int64], classes: int) -> Posterior:
    count = min(_NEIGHBOURS, distances.shape[1])
    near = np.argpartition(distances, count - 1, axis=1)[:, :count]
    found = np.take_along_axis(distances, near, axis=1)
    weights = np.exp(-found / (np.median(found, axis=1, keepdims=True) + 1e-6))
    cells = np.arange(len(distances))[:, None] * classes + labels[near]
    votes = np.bincount(cells.ravel(), weights.ravel(), len(distances) * classes).reshape(-1, classes) + 1e-2
    posterior: Posterior = votes / votes.sum(axis=1, keepdims=True)
    return posterior


def _ridge(
    points: NDArray[np.float32],
    labels: NDArray[np.int64],
    weights: NDArray[np.float64],
    rows: NDArray[np.float32],
    *,
    classes: int,
    strength: float,
) -> Posterior:
    """Ridge regression on one-hot classes, clipped to a posterior: a linear classifier without iterations."""
    mean, deviation = np.average(points, axis=0, weights=weights), points.std(axis=0) + 1e-6
    left = np.hstack([(points - mean) / deviation, np.ones((len(points), 1))])
    right = np.hstack([(rows - mean) / deviation, np.ones((len(rows), 1))])
    share = (weights / weights.mean())[:, None]
    gram = left.T @ (left * share) + strength * np.eye(left.shape[1])
    solved = np.linalg.solve(gram, left.T @ (np.eye(classes)[labels] * share))
    values = np.maximum(right @ solved, 1e-3)
    posterior: Posterior = values / values.sum(axis=1, keepdims=True)
    return posterior


def _fourier(
    points: NDArray[np.float32], weights: NDArray[np.float64], labels: NDArray[np.int64], rows: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.float64], NDArray[np.float32]]:
    """The same centroids and rows in random Fourier features of a Gaussian kernel (Rahimi & Recht 2007)."""
    mean, deviation = np.average(points, axis=0, weights=weights), points.std(axis=0) + 1e-6
    random = np.random.default_rng(0)
    dimension = points.shape[1]
    directions = random.normal(size=(dimension, _FOURIER_FEATURES)) / np.sqrt(dimension)
    phases = random.uniform(0, 2 * np.pi, _FOURIER_FEATURES)
    spread = [
        np.cos(((values - mean) / deviation) @ directions + phases).astype(np.float32) for values in (points, rows)
    ]
    return spread[0], labels, weights, spread[1]

"""Witnesses: independent opinions on the class of each target row.

No candidate is asked about itself alone. Beside the candidates' votes there are the sources' labelled centroids,
pooled: their nearest neighbours, and two small models trained on them in closed form.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from msearch_accuracy.dawid_skene import dawid_skene
from msearch_accuracy.evidence import Coreset, pairwise_distances
from msearch_accuracy.pooled_sources import PreparedPool, ask_pool, prepare_pool
from msearch_accuracy.problem import Problem
from msearch_accuracy.records import Record, Repute, consult
from msearch_accuracy.stacking import Moments, ask_stack

WITNESSES = (
    "dawid_skene",
    "mean",
    "near_mean",
    "pooled_knn",
    "pooled_linear",
    "pooled_fourier",
    "pooled",
    "combined",
    "smoothed",
    "recorded",
    "stacked",
)
"""Names of the posteriors, in the order of the features."""

PANEL = 40
"""The most candidates, and the most sources, that are heard as witnesses; those nearest to the target."""

_CLOSENESS = 4.0
_TOGETHER = 8
_INDEPENDENT = 4
"""Candidates err together: the votes of any number count as those of four."""

Posterior = NDArray[np.float64]


@dataclass(slots=True, eq=False)
class Testimony:
    """Posteriors [n, K] by witness, the class prior [K] that the combined one implies, and distances.

    `nearest_any` [n]: to the nearest centroid of any source. `repute`: what records say, None without any.
    """

    posteriors: dict[str, Posterior]
    prior: NDArray[np.float64]
    nearest_any: NDArray[np.float32]
    repute: Repute | None


def hear(
    problem: Problem,
    silenced: frozenset[str] = frozenset(),
    records: Sequence[Record] = (),
    moments: Sequence[Moments] = (),
    *,
    run: bool,
) -> Testimony:
    """Asks all witnesses; sources named in `silenced` are not believed. `run`: whether votes are the models' own."""
    panel = _panel(problem)
    classes = len(problem.classes)
    told = problem.probabilities[panel].astype(np.float64)
    mean = told.mean(axis=0)
    posteriors = {
        "dawid_skene": dawid_skene(problem.votes[panel], classes, problem.weights),
        "mean": mean / mean.sum(axis=1, keepdims=True),
        "near_mean": _near_mean(told, problem.distances[panel]),
    }
    pool = _pool(problem, panel, silenced)
    if pool is not None:
        told_by_pool, nearest_any = ask_pool(pool, problem.rows, classes)
        posteriors |= told_by_pool
    else:
        # Without labelled centroids the witnesses among the candidates speak for those as well.
        for name in ("pooled_knn", "pooled_linear", "pooled_fourier", "pooled"):
            posteriors[name] = posteriors["mean"]
        nearest_any = fill_distances(problem.distances[panel]).min(axis=0).astype(np.float32)
    posteriors["combined"] = dawid_skene(
        problem.votes[panel],
        classes,
        problem.weights,
        evidence=np.log(posteriors["pooled"] + 1e-9),
        trust=min(1.0, _INDEPENDENT / len(panel)),
    )
    repute = consult(problem, records, run=run)
    if repute is not None:
        posteriors["recorded"] = repute.posterior
    if run and (stacked := ask_stack(moments, problem)) is not None:
        posteriors["stacked"] = stacked
    posteriors["smoothed"] = _smooth(problem, posteriors["combined"])
    share = problem.weights / problem.weights.sum()
    return Testimony(posteriors, share @ posteriors["combined"], nearest_any, repute)


def _panel(problem: Problem) -> NDArray[np.int64]:
    """Positions of the candidates that are heard."""
    if len(problem.names) <= PANEL:
        return np.arange(len(problem.names))
    far = np.nan_to_num((problem.distances * problem.weights).mean(axis=1), nan=np.inf)
    return np.sort(np.argsort(far, kind="stable")[:PANEL])


def _smooth(problem: Problem, posterior: Posterior) -> Posterior:
    """The mean posterior over each row's nearest rows of the target, itself among them."""
    count = len(posterior)
    if count <= _TOGETHER:
        return posterior
    distances = pairwise_distances(problem.rows, problem.rows)
    near = np.argpartition(distances, _TOGETHER - 1, axis=1)[:, :_TOGETHER]
    weights = problem.weights[near]
    smoothed: Posterior = np.einsum("nm,nmk->nk", weights / weights.sum(axis=1, keepdims=True), posterior[near])
    return smoothed


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


def _pool(problem: Problem, panel: NDArray[np.int64], silenced: frozenset[str]) -> PreparedPool | None:
    """Labelled centroids of the panel's distinct sources."""
    sources: dict[str, Coreset] = {}
    for at in panel:
        source = problem.sources[at]
        if source is not None and source.name not in silenced:
            sources.setdefault(source.name, source)
    return prepare_pool(tuple(sources.values()), problem.classes, problem.rows.shape[1])

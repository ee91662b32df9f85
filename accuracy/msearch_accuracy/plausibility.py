"""Finds sources whose signatures claim more than the others' evidence bears out."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from msearch_accuracy.evidence import Coreset, pairwise_distances
from msearch_accuracy.problem import Problem

_MOST_SOURCES = 64
_LEAST_SOURCES = 4
_COVERS = 0.95
_TYPICAL = 0.6
_KEPT_SOURCES, _KEPT_PAIRS = 256, 8_192


def find_implausible(problem: Problem) -> dict[str, str]:
    """Sources that lie close to nearly every centroid of nearly every other source but contradict their classes.

    Close: within the other source's own spacing. An honest source that really holds what the others hold agrees with
    their classes; one made to look like everything does not, or says no classes at all.

    Returns:
        The reason by source name.
    """
    sources = list({source.name: source for source in problem.sources if source is not None}.values())
    if not _LEAST_SOURCES <= len(sources) <= _MOST_SOURCES:
        return {}
    covered = np.full((len(sources), len(sources)), np.nan)
    agreed = np.full((len(sources), len(sources)), np.nan)
    for a, one in enumerate(sources):
        for b, other in enumerate(sources[:a]):
            (covered[a, b], agreed[a, b]), (covered[b, a], agreed[b, a]) = _compare(one, other)
    consistency = np.array([_own_agreement(source) for source in sources])
    found = {}
    for a, one in enumerate(sources):
        least = float(np.nanmin(covered[a]))
        usual = float(np.nanmedian(np.delete(np.delete(covered, a, 0), a, 1)))
        if least < _COVERS or usual > _TYPICAL:
            continue
        agreement = float(np.nanmean(agreed[a])) if np.isfinite(agreed[a]).any() else 0.0
        expected = float(np.delete(consistency, a).mean())
        if agreement < 0.75 * expected or not one.classes:
            found[one.name] = (
                f"its source {one.name} lies close to {least:.0%} or more of every other source, but agrees with only "
                f"{agreement:.0%} of their classes there (their own centroids agree in {expected:.0%}): "
                "its claims are not used"
            )
    return found


@lru_cache(maxsize=_KEPT_SOURCES)
def _own_agreement(source: Coreset) -> float:
    """Share of a source's centroids whose nearest other centroid has the same class."""
    if len(source.points) < 2:
        return 0.0
    distances = pairwise_distances(source.points, source.points)
    np.fill_diagonal(distances, np.inf)
    return float((source.labels == source.labels[distances.argmin(axis=1)]).mean())


@lru_cache(maxsize=_KEPT_PAIRS)
def _compare(one: Coreset, other: Coreset) -> tuple[tuple[float, float], tuple[float, float]]:
    """How far `one` covers and confirms the other, and the other way round; see `_judge`.

    Whoever asks again with the same objects, as a service does for the sources near a target, need not wait: this is
    most of what a prediction for some tens of candidates costs.
    """
    distances = pairwise_distances(other.points, one.points)
    return _judge(one, other, distances), _judge(other, one, distances.T)


def _judge(one: Coreset, other: Coreset, distances: NDArray[np.float32]) -> tuple[float, float]:
    """Share of the other's centroids within its spacing of `one`, and share of those whose class `one` confirms.

    `distances` [other's centroids, one's centroids].
    """
    close = distances.min(axis=1) <= other.spacing
    names = np.array([*one.classes, ""], object)[one.labels[distances.argmin(axis=1)]]
    own = np.array([*other.classes, ""], object)[other.labels]
    judged = close & (own != "")
    return float(close.mean()), float((names == own)[judged].mean()) if judged.any() else np.nan

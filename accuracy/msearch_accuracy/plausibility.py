"""Finds sources whose signatures claim more than the others' evidence bears out."""

from __future__ import annotations

import numpy as np

from msearch_accuracy.evidence import Coreset, pairwise_distances
from msearch_accuracy.problem import Problem

_MOST_SOURCES = 64
_LEAST_SOURCES = 4
_COVERS = 0.95
_TYPICAL = 0.6


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
        for b, other in enumerate(sources):
            if a != b:
                covered[a, b], agreed[a, b] = _compare(one, other)
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


def _own_agreement(source: Coreset) -> float:
    """Share of a source's centroids whose nearest other centroid has the same class."""
    if len(source.points) < 2:
        return 0.0
    distances = pairwise_distances(source.points, source.points)
    np.fill_diagonal(distances, np.inf)
    return float((source.labels == source.labels[distances.argmin(axis=1)]).mean())


def _compare(one: Coreset, other: Coreset) -> tuple[float, float]:
    """Share of the other's centroids within its spacing of `one`, and share of those whose class `one` confirms."""
    distances = pairwise_distances(other.points, one.points)
    close = distances.min(axis=1) <= other.spacing
    names = np.array([*one.classes, ""], object)[one.labels[distances.argmin(axis=1)]]
    own = np.array([*other.classes, ""], object)[other.labels]
    judged = close & (own != "")
    return float(close.mean()), float((names == own)[judged].mean()) if judged.any() else np.nan

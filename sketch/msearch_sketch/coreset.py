"""Weighted centroids of a dataset: k-means in integers, class by class.

A centroid is the rounded mean of at least `least_rows` rows, so no single row is in the result.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from msearch_sketch.randomness import draw_words
from msearch_sketch.spaces import CoresetRule

_SEED = 4


@dataclass(frozen=True, slots=True)
class Coreset:
    """Centroids [C, d] in ticks, weights [C] in rows, classes [C] (-1 where unlabelled); ordered by class."""

    centroids: NDArray[np.int16]
    weights: NDArray[np.int64]
    classes: NDArray[np.int16]


def build_coreset(
    ticks: NDArray[np.int16], classes: NDArray[np.int32], counts: NDArray[np.int64], rows: int, rules: CoresetRule
) -> Coreset:
    """Clusters weighted points of each class on their own.

    Args:
        ticks: points, [n, d], in an order that does not depend on how they were found.
        classes: class of each point, -1 where unlabelled, [n].
        counts: rows each point stands for, [n].
        rows: how many rows the points were drawn from; the weights are scaled up to it, rounded down.
        rules: numbers of centroids, least rows and iterations.

    The centroids are shared out in proportion to the classes' rows, at most one per `least_rows` rows. Where there are
    more classes than centroids the largest get one each; a class of fewer than `least_rows` rows gets none.
    """
    names, places = np.unique(classes, return_inverse=True)
    sizes = np.bincount(places, counts, len(names)).astype(np.int64)
    shares = _share_out(sizes, rules)
    parts = [_empty(ticks.shape[1])]
    for place in np.flatnonzero(shares):
        members = places == place
        centroids, weights = _cluster(ticks[members], counts[members], int(shares[place]), int(names[place]), rules)
        parts.append(Coreset(centroids, weights, np.full(len(weights), names[place], np.int16)))
    total = max(int(counts.sum()), 1)
    weights = np.concatenate([part.weights for part in parts])
    return Coreset(
        np.concatenate([part.centroids for part in parts]),
        # rows / total is at least 1, so no weight falls below least_rows; whole and rest keep the product in 64 bits.
        weights * (rows // total) + weights * (rows % total) // total,
        np.concatenate([part.classes for part in parts]),
    )


def _empty(dimension: int) -> Coreset:
    return Coreset(np.empty((0, dimension), np.int16), np.empty(0, np.int64), np.empty(0, np.int16))


def _share_out(sizes: NDArray[np.int64], rules: CoresetRule) -> NDArray[np.int64]:
    """Centroids for each class, by largest remainder above one each, within what its rows allow."""
    most = sizes // rules.least_rows
    shares = np.zeros_like(sizes)
    largest_first = np.argsort(-sizes, kind="stable")
    shares[largest_first[: rules.centroids]] = 1
    shares = np.minimum(shares, most)
    spare = rules.centroids - int(shares.sum())
    open_to = np.where(shares > 0, sizes, 0)
    if spare <= 0 or not open_to.any():
        return shares
    quotas = open_to * spare
    extra, rest = np.divmod(quotas, int(open_to.sum()))
    by_rest = np.argsort(-rest, kind="stable")
    extra[by_rest[: spare - int(extra.sum())]] += 1
    return np.minimum(shares + np.where(shares > 0, extra, 0), most)


def _cluster(
    ticks: NDArray[np.int16], counts: NDArray[np.int64], most: int, stream: int, rules: CoresetRule
) -> tuple[NDArray[np.int16], NDArray[np.int64]]:
    """Lloyd's algorithm from k-means++ seeds; then cells of too few rows are dissolved. Centroids and their rows."""
    points = ticks.astype(np.float64)
    centroids = _seed(points, counts, most, stream)
    assigned = _nearest(points, centroids)
    for _ in range(rules.iterations):
        centroids, _, assigned = _means(ticks, counts, assigned)
        closer = _nearest(points, centroids)
        if np.array_equal(closer, assigned):
            break
        assigned = closer
    centroids, weights, assigned = _means(ticks, counts, assigned)
    while int(weights.min()) < rules.least_rows:
        # Only the smallest cells go at once: the next larger may be saved by the rows they receive. Some cell is larger
        # than the smallest, because there are at least least_rows rows for each.
        kept = weights > int(weights.min())
        moved = ~kept[assigned]
        assigned = (np.cumsum(kept) - 1)[assigned]
        assigned[moved] = _nearest(points[moved], centroids[kept])
        centroids, weights, assigned = _means(ticks, counts, assigned)
    return centroids.astype(np.int16), weights


def _seed(points: NDArray[np.float64], counts: NDArray[np.int64], most: int, stream: int) -> NDArray[np.float64]:
    """k-means++ (Arthur & Vassilvitskii 2007): each next seed drawn in proportion to rows times squared distance.

    The sums run in the order of the points, so the draws are the same on every machine. [at most `most`, d]
    """
    draws = (draw_words(_SEED, stream + 1, most) >> np.uint64(11)).astype(np.float64) / 2**53
    squares = np.einsum("nd,nd->n", points, points)
    chosen: list[int] = []
    masses = counts.astype(np.float64)
    distances = np.full(len(points), np.inf)
    for draw in draws:
        sums = np.cumsum(masses)
        if sums[-1] <= 0:
            break  # every point is a seed already
        pick = min(int(np.searchsorted(sums, draw * sums[-1], side="right")), len(points) - 1)
        chosen.append(pick)
        distances = np.minimum(distances, squares + squares[pick] - 2 * (points @ points[pick]))
        masses = counts * distances
    return points[chosen]


def _nearest(points: NDArray[np.float64], centroids: NDArray[np.float64]) -> NDArray[np.intp]:
    """Index of the nearest centroid, the first of equals. Exact: all values are integers below 2^53. [n]"""
    squares = np.einsum("kd,kd->k", centroids, centroids)
    nearest: NDArray[np.intp] = np.argmin(squares - 2 * (points @ centroids.T), axis=1)
    return nearest


def _means(
    ticks: NDArray[np.int16], counts: NDArray[np.int64], assigned: NDArray[np.intp]
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.intp]]:
    """Means of the occupied cells, rounded half up; their rows; the cells renumbered without gaps. [k, d], [k], [n]"""
    _, assigned = np.unique(assigned, return_inverse=True)
    order = np.argsort(assigned, kind="stable")
    starts = np.searchsorted(assigned[order], np.arange(int(assigned[order[-1]]) + 1))
    weights = np.add.reduceat(counts[order], starts)
    sums = np.add.reduceat(ticks[order] * counts[order][:, None], starts, axis=0)
    means = (2 * sums + weights[:, None]) // (2 * weights[:, None])
    return means.astype(np.float64), weights, assigned

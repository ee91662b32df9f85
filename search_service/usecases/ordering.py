"""Orders of values, without a Python step per value. NaN means "no value" and always comes last."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def best_first(goodness: Floats, count: int) -> NDArray[np.int64]:
    """Positions of the `count` largest values, largest first, ties by position.

    Selects before it sorts, so that a page of a long list costs little more than a pass over it.
    """
    goodness = np.where(np.isnan(goodness), -np.inf, goodness)
    count = min(count, goodness.size)
    if count == 0:
        return np.empty(0, np.int64)
    if count < goodness.size:
        least = np.partition(goodness, goodness.size - count)[goodness.size - count]
        above, equal = np.flatnonzero(goodness > least), np.flatnonzero(goodness == least)
        chosen = np.sort(np.concatenate([above, equal[: count - above.size]]))
    else:
        chosen = np.arange(goodness.size)
    order: NDArray[np.int64] = chosen[np.argsort(-goodness[chosen], kind="stable")]
    return order


def mean_ranks(goodness: Floats) -> Floats:
    """Ranks in [0, 1]: 1 for the best, 0 for the worst, the mean of their places for ties, 1 for a single value.

    A candidate without a value gets 0, as bad as the worst that has one.
    """
    ranks = np.zeros(goodness.size)
    present = ~np.isnan(goodness)
    values, group, counts = np.unique(goodness[present], return_inverse=True, return_counts=True)
    if values.size == 0:
        return ranks
    places = np.cumsum(counts) - (counts + 1) / 2  # mean place of each group of ties, the worst is place 0
    ranks[present] = (places / max(present.sum() - 1, 1))[group] if present.sum() > 1 else 1.0
    return ranks


def weighted_ranks(goodness: Sequence[Floats], weights: Sequence[float]) -> Floats:
    """Weighted mean of the mean ranks of several scores, in [0, 1]."""
    total = sum(weights)
    ranks = np.zeros(goodness[0].size)
    for values, weight in zip(goodness, weights, strict=True):
        ranks += mean_ranks(values) * (weight / total)
    return ranks


def pareto_front(first: Floats, second: Floats) -> NDArray[np.bool_]:
    """Which points [n] no other point beats: larger is better in both, and NaN is beaten by everything.

    A point is beaten if another is at least as good in both and better in one; equal points stay together.
    """
    first, second = (np.where(np.isnan(values), -np.inf, values) for values in (first, second))
    order = np.lexsort((-second, -first))
    front = np.zeros(first.size, np.bool_)
    best_before = -np.inf  # the best second among points with a larger first
    for _, group in groupby(order.tolist(), key=lambda position: first[position]):
        members = list(group)
        top = second[members[0]]
        if top > best_before:
            front[[position for position in members if second[position] == top]] = True
            best_before = top
    front &= np.isfinite(first) & np.isfinite(second)
    return front

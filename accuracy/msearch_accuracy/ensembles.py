"""Which few models together cover a target that no single one covers: greedy coverage of its cells.

A cell is a piece of the target with a weight in rows: a centroid of its signature, or a row. cover(c, i) in [0, 1] says
how well source i covers cell c; a set S covers a cell as well as its best member does:

    F(S) = sum over cells c of w_c max over i in S of cover(c, i)  /  sum of w_c

F is monotone and submodular, so taking the source that adds most, k times, reaches at least (1 - 1/e) of what the best
k sources reach (Nemhauser, Wolsey & Fisher 1978). A row goes to the member whose source covers it best.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from msearch_accuracy.errors import AccuracyError
from msearch_accuracy.evidence import Coreset, pairwise_distances

GUARANTEE = 1 - 1 / np.e
_LEAST_GAIN = 1e-9
_FAR = 1e-6
"""What a member weighs at least: on a row that is far from all of them each weighs the same."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Member:
    """A source in the order in which it was taken: its place among those given, what it covers alone, what it adds to
    those before it, and the share of the target's rows that is routed to it. All in shares of the target.
    """

    place: int
    alone: float
    adds: float
    routed: float


@dataclass(frozen=True, slots=True, eq=False)
class Cover:
    """The chosen members; `covered` is F of all of them, `best_alone` what the best single source covers.

    `route` [cells]: for each cell the position in `members` of the one that covers it best.
    """

    members: tuple[Member, ...]
    covered: float
    best_alone: float
    route: NDArray[np.int64]


def closeness(cells: NDArray[np.float32], sources: Sequence[Coreset]) -> Floats:
    """How well each source covers each cell: exp(-(d / s)^2 / 2), d the distance to its nearest centroid.

    s is one length for all, the median of their spacings, so that a source does not look near for being spread out.

    Args:
        cells: points [C, d] of the target, in units of the feature space.
        sources: N of them.

    Returns:
        [C, N], 1 on a centroid, 0.61 at a distance of s from it, 0.14 at twice that.
    """
    scale = float(np.median([source.spacing for source in sources])) if sources else 1.0
    near = [pairwise_distances(cells, source.points).min(axis=1) for source in sources]
    distances = np.stack(near, axis=1) if near else np.zeros((len(cells), 0))
    covered: Floats = np.exp(-((distances.astype(np.float64) / scale) ** 2) / 2)
    return covered


def choose_cover(covers: Floats, weights: NDArray[np.floating] | NDArray[np.integer], most: int) -> Cover:
    """Takes, up to `most` times, the source that adds most; stops when none adds anything.

    Args:
        covers: [C, N] in [0, 1].
        weights: [C] in rows, all positive.
        most: how many sources to take at most.

    Raises:
        AccuracyError: there is no source or no cell, or the numbers are out of range.
    """
    covers, shares = np.asarray(covers, np.float64), np.asarray(weights, np.float64)
    if covers.ndim != 2 or not covers.size or shares.shape != covers.shape[:1]:
        raise AccuracyError(f"a cover needs cells and sources, not {list(covers.shape)}")
    if not np.isfinite(covers).all() or (covers < 0).any() or (covers > 1).any() or not (shares > 0).all():
        raise AccuracyError("covers must lie between 0 and 1, and weights must be positive")
    if most < 1:
        raise AccuracyError(f"an ensemble has at least one member, not {most}")
    shares = shares / shares.sum()
    alone = shares @ covers
    best = np.zeros(len(covers))
    chosen: list[int] = []
    gains: list[float] = []
    while len(chosen) < most:
        added = shares @ np.maximum(covers - best[:, None], 0)
        added[chosen] = -1.0
        place = int(added.argmax())
        if added[place] <= _LEAST_GAIN and chosen:
            break
        chosen.append(place)
        gains.append(max(float(added[place]), 0.0))
        best = np.maximum(best, covers[:, place])
    route = covers[:, chosen].argmax(axis=1)
    routed = np.bincount(route, shares, len(chosen))
    return Cover(
        members=tuple(
            Member(place, float(alone[place]), gain, float(share))
            for place, gain, share in zip(chosen, gains, routed, strict=True)
        ),
        covered=float(shares @ best),
        best_alone=float(alone.max()),
        route=route,
    )


def route_rows(rows: NDArray[np.float32], sources: Sequence[Coreset]) -> NDArray[np.int64]:
    """For each row [n, d] the position of the source that is nearest on the common scale. [n]"""
    return np.asarray(closeness(rows, sources).argmax(axis=1), np.int64)


def combine_outputs(probabilities: Floats, covers: Floats | None = None, *, routed: bool = False) -> Floats:
    """Outputs [n, K] of an ensemble from those of its members.

    Args:
        probabilities: [M, n, K].
        covers: [n, M] how well each member's source covers each row: the weights. None: a plain mean.
        routed: the member that covers a row best decides alone.
    """
    if covers is None:
        return np.asarray(probabilities.mean(axis=0))
    if routed:
        return np.asarray(probabilities[covers.argmax(axis=1), np.arange(probabilities.shape[1])])
    weights = covers.T[:, :, None] + _FAR
    return np.asarray((probabilities * weights).sum(axis=0) / weights.sum(axis=0))

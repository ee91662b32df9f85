"""Which rows of one dataset lie where another has none."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from msearch_sketch.hashing import bucket_keys
from msearch_sketch.signature import Signature
from msearch_sketch.spaces import FeatureSpace

QUANTILE = 0.99
_AT_ONCE = 512

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Reach:
    """`distances` [n] of rows to the nearest row of the other set, as multiples of its `radius` (in ticks).

    The radius is the distance within which 99 % of the other set's own rows have a neighbour.
    """

    distances: Floats
    radius: float

    @property
    def uncovered(self) -> NDArray[np.bool_]:
        """Rows beyond the radius. [n]"""
        return self.distances > 1.0


def measure_reach(rows: NDArray[np.integer], others: NDArray[np.integer], weights: Floats | None = None) -> Reach:
    """How far rows [n, d] are from others [m, d], at least two; `weights` [m] where these are centroids of several."""
    reference = np.asarray(others, np.float64)
    own = _nearest(reference, reference, skip_self=True)
    order = np.argsort(own, kind="stable")
    shares = np.cumsum((np.ones(len(own)) if weights is None else weights)[order])
    radius = max(float(own[order][np.searchsorted(shares, QUANTILE * shares[-1])]), 1.0)
    return Reach(_nearest(np.asarray(rows, np.float64), reference, skip_self=False) / radius, radius)


def bucket_coverage(ticks: NDArray[np.integer], other: Signature, space: FeatureSpace) -> Floats:
    """For each row [n, d] the share of its hash buckets, over tables and resolutions, that the other set occupies.

    Buckets whose keys the signature does not keep do not count; NaN for a row of which none is left. [n]
    """
    keys = bucket_keys(ticks, space.hashing)  # [n, R, L]
    offsets = other.table_offsets.astype(np.int64)
    shares = np.full((len(ticks), keys.shape[1]), np.nan)
    for resolution in range(keys.shape[1]):
        found, looked_up = np.zeros(len(ticks)), np.zeros(len(ticks))
        mask = np.uint32((1 << int(other.levels[resolution])) - 1)
        for table in range(keys.shape[2]):
            at = resolution * keys.shape[2] + table
            own = keys[:, resolution, table]
            kept = (own & mask) == 0
            looked_up += kept
            found += kept & np.isin(own, other.keys[offsets[at] : offsets[at + 1]])
        np.divide(found, looked_up, out=shares[:, resolution], where=looked_up > 0)
    evident = ~np.isnan(shares)
    total = np.where(evident, shares, 0).sum(axis=1)
    return np.where(evident.any(axis=1), total / np.maximum(evident.sum(axis=1), 1), np.nan)


def signature_coverage(first: Signature, second: Signature) -> float:
    """How much of the first the second covers: adaptivity, from signatures alone; NaN where no key is comparable."""
    ratios = []
    tables = first.tables // first.resolutions
    ends, others = first.table_offsets.astype(np.int64), second.table_offsets.astype(np.int64)
    for resolution in range(first.resolutions):
        mask = np.uint32((1 << int(max(first.levels[resolution], second.levels[resolution]))) - 1)
        matched = possible = 0
        for at in range(resolution * tables, (resolution + 1) * tables):
            keys = first.keys[ends[at] : ends[at + 1]]
            counts = first.key_counts[ends[at] : ends[at + 1]].astype(np.int64)
            kept = (keys & mask) == 0
            possible += int(counts[kept].sum())
            matched += int(counts[kept & np.isin(keys, second.keys[others[at] : others[at + 1]])].sum())
        if possible:
            ratios.append(matched / possible)
    return float(np.mean(ratios)) if ratios else float("nan")


def _nearest(rows: Floats, others: Floats, *, skip_self: bool) -> Floats:
    """Distance of each row to the nearest of the others; with `skip_self`, to one in another place of the list."""
    found = np.empty(len(rows))
    norms = (others**2).sum(axis=1)
    for start in range(0, len(rows), _AT_ONCE):
        part = rows[start : start + _AT_ONCE]
        squares = (part**2).sum(axis=1)[:, None] + norms - 2 * part @ others.T
        if skip_self:
            squares[np.arange(len(part)), start + np.arange(len(part))] = np.inf
        found[start : start + len(part)] = np.sqrt(np.maximum(squares.min(axis=1), 0))
    return found

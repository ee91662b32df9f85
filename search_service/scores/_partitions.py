"""Partition histograms as probability vectors, their Jensen-Shannon divergences, and the Hellinger filter.

A partition has one histogram per dimension over shared edges. Laid end to end and divided by their total they are one
distribution over (dimension, bin), whose JSD is the mean of the dimensions' JSDs, and likewise H^2. With
H^2 = 1 - sum sqrt(p q), ln2 H^2 <= JSD <= H^2 (Topsoe 2000; Lin 1991), in nats.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from msearch_sketch.signature import Signature
from search_service.domain.ranking import Source

TAU = 0.1
"""Largest JSD, in nats, of similar partitions. Two samples of 64 rows of one distribution have about 0.06 (16 bins)."""

NO_TARGET = "the target has no partition histograms"
NO_SOURCE = "the source has no partition histograms"

_ROUNDING = 1e-5  # of a float32 sum of products of square roots; far above what occurs
_PAIRS_AT_ONCE = 4096


@dataclass(frozen=True, slots=True)
class PartitionMatches:
    """`similar` [P, Q]: the target's partitions by all sources'; source i has the columns bounds[i]:bounds[i + 1]."""

    similar: NDArray[np.bool_]
    bounds: NDArray[np.int64]

    def by_source(self, counts: NDArray[np.int64] | NDArray[np.bool_]) -> NDArray[np.int64]:
        """Sums over each source's columns. [..., Q] to [..., n]"""
        running = np.concatenate([np.zeros((*counts.shape[:-1], 1), np.int64), np.cumsum(counts, axis=-1)], axis=-1)
        sums: NDArray[np.int64] = running[..., self.bounds[1:]] - running[..., self.bounds[:-1]]
        return sums


def match_partitions(target: Signature, sources: Sequence[Source], tau: float) -> PartitionMatches:
    """Which pairs of partitions have a JSD of at most `tau` nats; exact.

    H^2 > tau / ln2 rules a pair out and H^2 <= tau rules it in, for all pairs by one matrix product; only the pairs
    between are verified.
    """
    own = target.partitions
    theirs = np.concatenate([source.signature.partitions for source in sources])
    bounds = np.cumsum([0, *(len(source.signature.partitions) for source in sources)])
    squared = 1.0 - _roots(own) @ _roots(theirs).T
    similar = squared <= tau - _ROUNDING
    rows, columns = np.nonzero(~similar & (squared <= tau / np.log(2.0) + _ROUNDING))
    for first in range(0, len(rows), _PAIRS_AT_ONCE):
        row, column = rows[first : first + _PAIRS_AT_ONCE], columns[first : first + _PAIRS_AT_ONCE]
        similar[row, column] = jensen_shannon(distributions(own[row]), distributions(theirs[column])) <= tau
    return PartitionMatches(similar, bounds)


def distributions(histograms: NDArray[np.integer]) -> NDArray[np.float64]:
    """Histograms [n, dimensions, bins] as probability vectors [n, dimensions bins]; an empty one becomes zeros."""
    flat = histograms.reshape(len(histograms), histograms.shape[1] * histograms.shape[2]).astype(np.float64)
    shares: NDArray[np.float64] = flat / np.maximum(flat.sum(axis=1, keepdims=True), 1.0)
    return shares


def _roots(histograms: NDArray[np.integer]) -> NDArray[np.float32]:
    """Square roots of `distributions`, in float32, in which a large registry's partitions stay small."""
    flat = histograms.reshape(len(histograms), histograms.shape[1] * histograms.shape[2]).astype(np.float32)
    flat /= np.maximum(flat.sum(axis=1, keepdims=True), 1.0)
    return np.sqrt(flat, out=flat)


def whole_distributions(signatures: Sequence[Signature]) -> NDArray[np.float64]:
    """One probability vector per dataset: that of its partitions' sum. [n, dimensions bins]"""
    return distributions(np.stack([signature.partitions.sum(axis=0, dtype=np.int64) for signature in signatures]))


def without_partitions(sources: Sequence[Source]) -> NDArray[np.bool_]:
    """Which sources have no partition histograms. [n]"""
    return np.array([not len(source.signature.partitions) for source in sources])


def jensen_shannon(p: NDArray[np.float64], q: NDArray[np.float64]) -> NDArray[np.float64]:
    """JSD in nats, in [0, ln 2], along the last axis: H((p + q) / 2) - (H(p) + H(q)) / 2."""
    divergence = (_negative_entropy(p) + _negative_entropy(q)) / 2 - _negative_entropy((p + q) / 2)
    clipped: NDArray[np.float64] = np.clip(divergence, 0.0, np.log(2.0))
    return clipped


def squared_hellinger(p: NDArray[np.float64], q: NDArray[np.float64]) -> NDArray[np.float64]:
    """H^2 = sum (sqrt p - sqrt q)^2 / 2, in [0, 1], along the last axis."""
    halves: NDArray[np.float64] = ((np.sqrt(p) - np.sqrt(q)) ** 2).sum(axis=-1) / 2
    return np.minimum(halves, 1.0)


def _negative_entropy(p: NDArray[np.float64]) -> NDArray[np.float64]:
    total: NDArray[np.float64] = (p * np.log(p, out=np.zeros_like(p), where=p > 0)).sum(axis=-1)
    return total

"""kNN-ball coverage (Naeem et al. 2020, "Reliable fidelity and diversity metrics", with the target as reference).

    raw(T | S) = mean over t of 1[min_s |t - s| < NND_k(t)], NND_k(t) the distance from t to its k-th nearest in T
    coverage   = min(1, raw / null), null = 1 - prod_{i=1..k} (N - i) / (N + M - i)

over the centroids of the coresets, t weighted by its rows; N and M are their numbers. `null` is what raw is expected to
be when both are samples of one distribution; it grows with M, so dividing by it keeps large sources from an advantage.
k = 5, as in the paper.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from msearch_sketch.signature import Signature
from search_service.domain.ranking import ScoreInfo, ScoreValues, Source
from search_service.scores._coresets import NO_SOURCE, NO_TARGET, Coreset
from search_service.scores._definition import FunctionScore, with_gaps

NEIGHBOURS = 5

INFO = ScoreInfo(
    name="coverage_knn",
    summary="Share of the target with a source centroid nearer than its fifth neighbour, over that for equal data.",
    formula="min(1, mean_t 1[min_s |t - s| < NND_5(t)] / (1 - prod_{i=1..5} (N - i) / (N + M - i)))",
    source="Naeem et al. 2020",
    support_unit="target rows",
    lowest=0.0,
    highest=1.0,
    self_value=1.0,
)


def null_value(reference: int, others: int, neighbours: int = NEIGHBOURS) -> float:
    """Expected raw coverage of `reference` points by `others` points of the same distribution; in (0, 1]."""
    return 1.0 - math.prod((reference - i) / (reference + others - i) for i in range(1, neighbours + 1))


def _compute(target: Signature, sources: Sequence[Source]) -> ScoreValues:
    count = len(sources)
    own = Coreset(target)
    missing = np.array([not len(source.signature.centroids) for source in sources])
    gaps = [(np.full(count, own.size == 0), NO_TARGET), (missing, NO_SOURCE)]
    if own.size <= NEIGHBOURS:
        reason = f"the target's coreset has {own.size} centroids, {NEIGHBOURS + 1} are needed"
        return with_gaps(np.zeros(count), np.zeros(count), *gaps, (np.ones(count, np.bool_), reason))
    balls = own.neighbour(NEIGHBOURS)
    total = own.weights.sum()
    values = np.zeros(count)
    for position in np.flatnonzero(~missing).tolist():
        theirs = Coreset(sources[position].signature)
        raw = own.weights[theirs.nearest(own) < balls].sum() / total
        values[position] = min(1.0, raw / null_value(own.size, theirs.size))
    return with_gaps(values, np.full(count, total), *gaps)


SCORE = FunctionScore(INFO, _compute)

"""Nearness: the target's distance to the nearest source centroid, on the scale of the source's own spacing.

    nearest(T | S) = - mean over t of log(1 + min_s |t - s| / spacing(S))
    spacing(S)     = median over the centroids of S of the distance to the nearest other one, at least one tick

over the centroids of the coresets, t weighted by its rows. A logarithm, so that a few far rows do not decide; 1 + keeps
distances below the spacing, which centroids do not resolve, from mattering, and makes a dataset's value of itself 0.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from msearch_sketch.signature import Signature
from search_service.domain.ranking import ScoreInfo, ScoreValues, Source
from search_service.scores._coresets import NO_SOURCE, NO_TARGET, Coreset
from search_service.scores._definition import FunctionScore, with_gaps

INFO = ScoreInfo(
    name="nearest",
    summary="Minus the mean log distance from target to source centroids, on the scale of the source's own spacing.",
    formula="-mean_t log(1 + min_s |t - s| / spacing(S))",
    source="mean log distance to the nearest source row, over coresets",
    support_unit="target rows",
    lowest=None,
    highest=0.0,
    self_value=0.0,
)


def _compute(target: Signature, sources: Sequence[Source]) -> ScoreValues:
    count = len(sources)
    own = Coreset(target)
    sizes = np.array([len(source.signature.centroids) for source in sources])
    gaps = [
        (np.full(count, own.size == 0), NO_TARGET),
        (sizes == 0, NO_SOURCE),
        (sizes == 1, "the source's coreset has one centroid, so no spacing"),
    ]
    values = np.zeros(count)
    if own.size:
        shares = own.weights / own.weights.sum()
        for position in np.flatnonzero(sizes > 1).tolist():
            theirs = Coreset(sources[position].signature)
            spacing = max(float(np.median(theirs.neighbour(1))), 1.0)
            values[position] = -shares @ np.log1p(theirs.nearest(own) / spacing)
    return with_gaps(values, np.full(count, own.weights.sum()), *gaps)


SCORE = FunctionScore(INFO, _compute)

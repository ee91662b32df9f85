"""Nearness: the target's distance to the nearest source centroid, on the scale of the target's own spacing.

    nearest(T | S) = - mean over t of log(1 + min_s |t - s| / spacing(T))
    spacing(T)     = median over the centroids of T of the distance to the nearest other one, at least one tick

over the centroids of the coresets, t weighted by its rows. A logarithm, so that a few far rows do not decide; 1 + keeps
distances below the spacing, which centroids do not resolve, from mattering, and makes a dataset's value of itself 0.
The spacing is the target's: that of the source would make a source look near for being spread out.
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
    summary="Minus the mean log distance from target to source centroids, on the scale of the target's own spacing.",
    formula="-mean_t log(1 + min_s |t - s| / spacing(T))",
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
        (np.full(count, own.size == 1), "the target's coreset has one centroid, so no spacing"),
        (sizes == 0, NO_SOURCE),
    ]
    values = np.zeros(count)
    if own.size > 1:
        shares = own.weights / own.weights.sum()
        spacing = max(float(np.median(own.neighbour(1))), 1.0)
        for position in np.flatnonzero(sizes).tolist():
            theirs = Coreset(sources[position].signature)
            values[position] = -shares @ np.log1p(theirs.nearest(own) / spacing)
    return with_gaps(values, np.full(count, own.weights.sum()), *gaps)


SCORE = FunctionScore(INFO, _compute)

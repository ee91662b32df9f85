"""Squared Frechet distance of Gaussians with the datasets' moments, covariances taken as diagonal, in feature units^2.

    d^2(T, S) = |mu_T - mu_S|^2 + sum over dimensions of (sigma_T - sigma_S)^2

(Dowson & Landau 1982; squared, as in Heusel et al. 2017's inception distance.)
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from msearch_sketch.signature import Signature
from msearch_sketch.spaces import TICKS_PER_UNIT
from search_service.domain.ranking import ScoreInfo, ScoreValues, Source
from search_service.scores._definition import FunctionScore, means, row_counts, with_gaps

INFO = ScoreInfo(
    name="frechet",
    summary="Squared Frechet distance of diagonal Gaussians with the datasets' means and variances.",
    formula="|mu_T - mu_S|^2 + sum (sigma_T - sigma_S)^2",
    source="Dowson & Landau 1982; Heusel et al. 2017",
    support_unit="source rows",
    lowest=0.0,
    highest=None,
    higher_is_better=False,
    self_value=0.0,
    symmetric=True,
)


def _compute(target: Signature, sources: Sequence[Source]) -> ScoreValues:
    signatures = [source.signature for source in sources]
    rows = row_counts(sources)
    centres = means(signatures)
    squares = np.stack([signature.square_sums for signature in signatures]) / rows[:, None]
    spreads = np.sqrt(np.maximum(squares - centres**2, 0.0))
    parts = (centres - target.mean) ** 2 + (spreads - np.sqrt(target.variance)) ** 2
    return with_gaps(parts.sum(axis=1) / TICKS_PER_UNIT**2, rows)


SCORE = FunctionScore(INFO, _compute)

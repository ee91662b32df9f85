"""Squared maximum mean discrepancy under a Gaussian kernel, unbiased, from random Fourier features.

    MMD^2 = (n |z_T|^2 - 1) / (n - 1) + (m |z_S|^2 - 1) / (m - 1) - 2 z_T . z_S

with z the mean of sqrt(1/F) (cos, sin)(omega . x), n and m the row counts (Gretton et al. 2012, lemma 6; Rahimi & Recht
2007; every row has k(x, x) = 1). Unbiased, because the plain plug-in estimate adds about 1/n + 1/m, so that small
sources look far away; it can therefore be slightly negative for datasets of one distribution.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from msearch_sketch.fourier import COSINE_UNIT
from msearch_sketch.signature import Signature
from search_service.domain.ranking import ScoreInfo, ScoreValues, Source
from search_service.scores._definition import FunctionScore, row_counts, with_gaps

INFO = ScoreInfo(
    name="mmd",
    summary="Squared maximum mean discrepancy (unbiased) under a Gaussian kernel.",
    formula="(n |z_T|^2 - 1)/(n - 1) + (m |z_S|^2 - 1)/(m - 1) - 2 z_T . z_S",
    source="Gretton et al. 2012; Rahimi & Recht 2007",
    support_unit="source rows",
    lowest=None,
    highest=4.0,
    higher_is_better=False,
    symmetric=True,
)


def _compute(target: Signature, sources: Sequence[Source]) -> ScoreValues:
    rows = row_counts(sources)
    unit = COSINE_UNIT * np.sqrt(target.fourier_sums.size / 2)
    own = target.fourier_sums / (target.row_count * unit)
    theirs = np.stack([source.signature.fourier_sums for source in sources]) / (rows[:, None] * unit)
    own_term = _without_diagonal(np.array([own @ own]), np.array([float(target.row_count)]))
    their_terms = _without_diagonal((theirs**2).sum(axis=1), rows)
    values = own_term + their_terms - 2 * (theirs * own).sum(axis=1)
    no_target = np.full(len(sources), target.row_count < 2)
    return with_gaps(
        values,
        rows,
        (no_target, "the target has one row; the unbiased estimate needs two"),
        (rows < 2, "the source has one row; the unbiased estimate needs two"),
    )


def _without_diagonal(squares: NDArray[np.float64], rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean of k(x, x') over pairs of different rows, from the squared norm of the mean embedding."""
    means: NDArray[np.float64] = (rows * squares - 1) / np.maximum(rows - 1, 1)
    return means


SCORE = FunctionScore(INFO, _compute)

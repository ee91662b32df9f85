"""Cosine of the angle between the datasets' mean feature vectors.

cos(T, S) = mu_T . mu_S / (|mu_T| |mu_S|)
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from msearch_sketch.signature import Signature
from search_service.domain.ranking import ScoreInfo, ScoreValues, Source
from search_service.scores._definition import FunctionScore, means, row_counts, with_gaps

INFO = ScoreInfo(
    name="cosine",
    summary="Cosine of the mean feature vectors.",
    formula="mu_T . mu_S / (|mu_T| |mu_S|)",
    source="textbook",
    support_unit="source rows",
    lowest=-1.0,
    highest=1.0,
    self_value=1.0,
    symmetric=True,
)


def _compute(target: Signature, sources: Sequence[Source]) -> ScoreValues:
    theirs = means([source.signature for source in sources])
    norms = np.linalg.norm(theirs, axis=1)
    own = float(np.linalg.norm(target.mean))
    products = (theirs * target.mean).sum(axis=1)
    values = np.clip(products / np.where(norms * own > 0, norms * own, 1.0), -1.0, 1.0)
    no_target = np.full(len(sources), own == 0)
    return with_gaps(
        values,
        row_counts(sources),
        (no_target, "the mean of the target is zero, so it has no direction"),
        (norms == 0, "the mean of the source is zero, so it has no direction"),
    )


SCORE = FunctionScore(INFO, _compute)

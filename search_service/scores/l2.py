"""Euclidean distance of the datasets' mean feature vectors, in feature units.

l2(T, S) = |mu_T - mu_S|
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from msearch_sketch.signature import Signature
from msearch_sketch.spaces import TICKS_PER_UNIT
from search_service.domain.ranking import ScoreInfo, ScoreValues, Source
from search_service.scores._definition import FunctionScore, means, row_counts, with_gaps

INFO = ScoreInfo(
    name="l2",
    summary="Euclidean distance of the mean feature vectors, in feature units.",
    formula="|mu_T - mu_S|",
    source="textbook",
    support_unit="source rows",
    lowest=0.0,
    highest=None,
    higher_is_better=False,
    self_value=0.0,
    symmetric=True,
)


def _compute(target: Signature, sources: Sequence[Source]) -> ScoreValues:
    differences = means([source.signature for source in sources]) - target.mean
    return with_gaps(np.linalg.norm(differences, axis=1) / TICKS_PER_UNIT, row_counts(sources))


SCORE = FunctionScore(INFO, _compute)

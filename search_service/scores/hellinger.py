"""Hellinger distance of the two datasets' histograms, each the sum of its partitions.

    H(P, Q) = sqrt(1/2 sum (sqrt p - sqrt q)^2), H^2 the mean over the dimensions

(Hellinger 1909). ln2 H^2 <= JSD <= H^2 ties it to `jsd`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from msearch_sketch.signature import Signature
from search_service.domain.ranking import ScoreInfo, ScoreValues, Source
from search_service.scores._definition import FunctionScore, row_counts, with_gaps
from search_service.scores._partitions import (
    NO_SOURCE,
    NO_TARGET,
    squared_hellinger,
    whole_distributions,
    without_partitions,
)

INFO = ScoreInfo(
    name="hellinger",
    summary="Hellinger distance of the feature histograms.",
    formula="sqrt(mean over dimensions of 1/2 sum (sqrt p - sqrt q)^2)",
    source="Hellinger 1909",
    support_unit="source rows",
    lowest=0.0,
    highest=1.0,
    higher_is_better=False,
    self_value=0.0,
    symmetric=True,
)


def _compute(target: Signature, sources: Sequence[Source]) -> ScoreValues:
    theirs = whole_distributions([source.signature for source in sources])
    values = np.sqrt(squared_hellinger(whole_distributions([target]), theirs))
    no_target = np.full(len(sources), not len(target.partitions))
    return with_gaps(values, row_counts(sources), (no_target, NO_TARGET), (without_partitions(sources), NO_SOURCE))


SCORE = FunctionScore(INFO, _compute)

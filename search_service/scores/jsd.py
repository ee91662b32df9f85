"""Jensen-Shannon divergence of the two datasets' histograms, each the sum of its partitions, in nats.

    JSD(P, Q) = H((P + Q) / 2) - (H(P) + H(Q)) / 2, mean over the dimensions

The edges are fixed by the space, never min-max of a dataset, so JSD(A, 50 A + 1000) > 0 (Lin 1991).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from msearch_sketch.signature import Signature
from search_service.domain.ranking import ScoreInfo, ScoreValues, Source
from search_service.scores._definition import FunctionScore, row_counts, with_gaps
from search_service.scores._partitions import (
    NO_SOURCE,
    NO_TARGET,
    jensen_shannon,
    whole_distributions,
    without_partitions,
)

INFO = ScoreInfo(
    name="jsd",
    summary="Jensen-Shannon divergence of the feature histograms, in nats.",
    formula="mean over dimensions of H((P + Q) / 2) - (H(P) + H(Q)) / 2",
    source="Lin 1991",
    support_unit="source rows",
    lowest=0.0,
    highest=math.log(2.0),
    higher_is_better=False,
    self_value=0.0,
    symmetric=True,
)


def _compute(target: Signature, sources: Sequence[Source]) -> ScoreValues:
    theirs = whole_distributions([source.signature for source in sources])
    values = jensen_shannon(whole_distributions([target]), theirs)
    no_target = np.full(len(sources), not len(target.partitions))
    return with_gaps(values, row_counts(sources), (no_target, NO_TARGET), (without_partitions(sources), NO_SOURCE))


SCORE = FunctionScore(INFO, _compute)

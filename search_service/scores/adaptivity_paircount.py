"""The papers' pair count: all similar pairs of partitions over the number of the target's partitions.

    A(T | S) = 1/|P(T)| * |{(p, q) in P(T) x P(S): JSD(p, q) <= tau}|

with JSD in nats and tau = `_partitions.TAU`. Not bounded by 1, and it grows with the source: ten copies of a source
score ten times as much. Kept for comparison with `adaptivity_jsd` only.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from msearch_sketch.signature import Signature
from search_service.domain.ranking import ScoreInfo, ScoreValues, Source
from search_service.scores._definition import FunctionScore, with_gaps
from search_service.scores._partitions import NO_SOURCE, NO_TARGET, TAU, match_partitions, without_partitions

INFO = ScoreInfo(
    name="adaptivity_paircount",
    summary="Similar pairs of partitions per partition of the target; grows with the source, for comparison only.",
    formula=f"1/|P(T)| * sum_p sum_q 1[JSD(p, q) <= {TAU}]",
    source="partition-level adaptivity of the model-search papers, pair-count form",
    support_unit="pairs of partitions",
    lowest=0.0,
    highest=None,
)


def _compute(target: Signature, sources: Sequence[Source]) -> ScoreValues:
    matches = match_partitions(target, sources, TAU)
    own = len(target.partitions)
    pairs = matches.by_source(matches.similar.sum(axis=0))
    missing = without_partitions(sources)
    no_target = np.full(len(sources), own == 0)
    support = own * np.diff(matches.bounds)
    return with_gaps(pairs / max(own, 1), support, (no_target, NO_TARGET), (missing, NO_SOURCE))


SCORE = FunctionScore(INFO, _compute)

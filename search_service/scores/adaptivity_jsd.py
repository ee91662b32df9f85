"""Adaptivity over partitions: the share of the target's partitions that some partition of the source resembles.

    A_tau(T | S) = 1/|P(T)| * sum over partitions p of T of 1[min over partitions q of S of JSD(p, q) <= tau]

with JSD in nats and tau = `_partitions.TAU`. Exact: the Hellinger filter only spares divergences that cannot matter.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from msearch_sketch.signature import Signature
from search_service.domain.ranking import ScoreInfo, ScoreValues, Source
from search_service.scores._definition import FunctionScore, with_gaps
from search_service.scores._partitions import NO_SOURCE, NO_TARGET, TAU, match_partitions, without_partitions

INFO = ScoreInfo(
    name="adaptivity_jsd",
    summary="Share of the target's partitions within a Jensen-Shannon divergence of some partition of the source.",
    formula=f"1/|P(T)| * sum_p 1[min_q JSD(p, q) <= {TAU}]",
    source="partition-level adaptivity of the model-search papers, coverage form",
    support_unit="pairs of partitions",
    lowest=0.0,
    highest=1.0,
    self_value=1.0,
)


def _compute(target: Signature, sources: Sequence[Source]) -> ScoreValues:
    matches = match_partitions(target, sources, TAU)
    own = len(target.partitions)
    covered = (matches.by_source(matches.similar) > 0).sum(axis=0)
    missing = without_partitions(sources)
    no_target = np.full(len(sources), own == 0)
    support = own * np.diff(matches.bounds)
    return with_gaps(covered / max(own, 1), support, (no_target, NO_TARGET), (missing, NO_SOURCE))


SCORE = FunctionScore(INFO, _compute)

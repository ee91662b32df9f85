"""Jaccard similarity of the distinct hash keys.

    J(T, S) = |keys(T) and keys(S)| / |keys(T) or keys(S)|, mean over the resolutions with evidence

at the common sampling level (Broder 1997).
"""

from __future__ import annotations

from collections.abc import Sequence

from msearch_sketch.signature import Signature
from search_service.domain.ranking import ScoreInfo, ScoreValues, Source
from search_service.scores._definition import FunctionScore, with_gaps
from search_service.scores._key_overlap import mean_ratio, overlap_keys

INFO = ScoreInfo(
    name="jaccard",
    summary="Shared hash keys over all hash keys of the two datasets.",
    formula="|K_T and K_S| / |K_T or K_S|, mean over resolutions",
    source="Jaccard 1901; Broder 1997",
    support_unit="distinct keys of both",
    lowest=0.0,
    highest=1.0,
    self_value=1.0,
    symmetric=True,
)


def _compute(target: Signature, sources: Sequence[Source]) -> ScoreValues:
    overlap = overlap_keys(target, sources)
    union = overlap.target_keys + overlap.source_keys - overlap.shared
    support = union.sum(axis=1)
    values = mean_ratio(overlap.shared, union)
    return with_gaps(values, support, (support == 0, "no key of either is left at the common sampling level"))


SCORE = FunctionScore(INFO, _compute)

"""Containment of the target in the source over distinct hash keys, without their counts.

    C(T, S) = |keys(T) and keys(S)| / |keys(T)|, mean over the resolutions with evidence

at the common sampling level (Broder 1997, "On the resemblance and containment of documents").
"""

from __future__ import annotations

from collections.abc import Sequence

from msearch_sketch.signature import Signature
from search_service.domain.ranking import ScoreInfo, ScoreValues, Source
from search_service.scores._definition import FunctionScore, with_gaps
from search_service.scores._key_overlap import mean_ratio, overlap_keys

INFO = ScoreInfo(
    name="containment",
    summary="Share of the target's distinct hash keys that the source holds.",
    formula="|K_T and K_S| / |K_T|, mean over resolutions",
    source="Broder 1997",
    support_unit="distinct keys of the target",
    lowest=0.0,
    highest=1.0,
    self_value=1.0,
)


def _compute(target: Signature, sources: Sequence[Source]) -> ScoreValues:
    overlap = overlap_keys(target, sources)
    support = overlap.target_keys.sum(axis=1)
    values = mean_ratio(overlap.shared, overlap.target_keys)
    return with_gaps(values, support, (support == 0, "no key of the target is left at the common sampling level"))


SCORE = FunctionScore(INFO, _compute)

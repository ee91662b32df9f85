"""Containment of the source in the target over distinct hash keys: the reverse direction of `containment`.

    C(S, T) = |keys(T) and keys(S)| / |keys(S)|, mean over the resolutions with evidence

at the common sampling level (Broder 1997). High where the source is a part of the target.
"""

from __future__ import annotations

from collections.abc import Sequence

from msearch_sketch.signature import Signature
from search_service.domain.ranking import ScoreInfo, ScoreValues, Source
from search_service.scores._definition import FunctionScore, with_gaps
from search_service.scores._key_overlap import mean_ratio, overlap_keys

INFO = ScoreInfo(
    name="containment_of_source",
    summary="Share of the source's distinct hash keys that the target holds.",
    formula="|K_T and K_S| / |K_S|, mean over resolutions",
    source="Broder 1997",
    support_unit="distinct keys of the source",
    lowest=0.0,
    highest=1.0,
    self_value=1.0,
)


def _compute(target: Signature, sources: Sequence[Source]) -> ScoreValues:
    overlap = overlap_keys(target, sources)
    support = overlap.source_keys.sum(axis=1)
    values = mean_ratio(overlap.shared, overlap.source_keys)
    return with_gaps(values, support, (support == 0, "no key of the source is left at the common sampling level"))


SCORE = FunctionScore(INFO, _compute)

"""Adaptivity: how much of the target the source covers (LSH-kernel coverage), at several resolutions.

    A(T | S) = 1 / (|T| L) * sum over rows t of T, sum over tables l of 1[h_l(t) in keys_l(S)]

averaged over the resolutions (hash widths). Per row it is the fraction of tables in which the source occupies the row's
bucket: a soft version of "some source row lies within the threshold". A source that holds more is not punished for it.

Signatures keep of resolution r only keys divisible by 2**level. With level the larger of the two,

    matched_r  = sum over tables, over T's keys k divisible by 2**level that occur in S's same table, of T's count of k
    possible_r = the same sum without the condition on S
    A(T | S)   = mean over the resolutions with possible_r > 0 of matched_r / possible_r

Which keys are kept depends on the keys alone, so the ratio estimates the one above, and equals it where nothing was
left out. The support is the sum of possible_r. NaN where no resolution has evidence.
"""

from __future__ import annotations

from collections.abc import Sequence

from msearch_sketch.signature import Signature
from search_service.domain.ranking import ScoreInfo, ScoreValues, Source
from search_service.scores._definition import FunctionScore, with_gaps
from search_service.scores._key_overlap import mean_ratio, overlap_keys

INFO = ScoreInfo(
    name="adaptivity",
    summary="Share of the target's rows whose hash buckets the source occupies, over tables and resolutions.",
    formula="mean over resolutions of sum_{k in T and S} count_T(k) / sum_{k in T} count_T(k)",
    source="LSH-kernel coverage; p-stable hashing of Datar et al. 2004",
    support_unit="bucket look-ups",
    lowest=0.0,
    highest=1.0,
    self_value=1.0,
)


def _compute(target: Signature, sources: Sequence[Source]) -> ScoreValues:
    overlap = overlap_keys(target, sources)
    support = overlap.target_rows.sum(axis=1)
    values = mean_ratio(overlap.shared_rows, overlap.target_rows)
    return with_gaps(values, support, (support == 0, "no key of the target is left at the common sampling level"))


SCORE = FunctionScore(INFO, _compute)

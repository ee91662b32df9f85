"""Whether a compiled model treats rows as what they are: each on its own, and each computed anew."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from profiler_agent.errors import WrongOutput
from profiler_agent.verification.outputs import TOLERANCES, Outputs, compare
from profiler_agent.work import Precision

INT8_BATCH_TOLERANCE = 0.1
"""Int8 rounds a step up or down with the sums of another kernel, and dynamic scales depend on the whole batch."""

FEWEST_LATENCIES = 20
CACHED_RATIO = 0.8
CACHED_CONFIDENCE = 0.999


def check_batch_invariance(alone: Outputs, together: Outputs, row: int, precision: Precision) -> float:
    """Compares a row run alone (outputs of one row) with the same row in a batch. Gives the largest difference.

    Relative to the largest value of the batch's outputs, as everywhere.

    Raises:
        WrongOutput: they differ by more than the precision allows.
    """
    limit = TOLERANCES.get(precision, INT8_BATCH_TOLERANCE)
    worst = 0.0
    for name, batch in together.items():
        if name not in alone:
            raise WrongOutput(f"output {name!r} is missing when row {row} is run alone")
        single = alone[name]
        if single.shape != batch[row : row + 1].shape:
            raise WrongOutput(
                f"output {name!r} has the shape {list(single.shape)} for row {row} alone,"
                f" {list(batch.shape)} for a batch of {len(batch)}"
            )
        # Put back into its batch, so that the difference is relative to the same largest value.
        replaced = np.concatenate([batch[:row], single, batch[row + 1 :]])
        comparison = compare({name: batch}, {name: replaced}, precision)
        if comparison.sqnr_db is None and not comparison.agreed.all():
            raise WrongOutput(f"output {name!r} of row {row} alone is another label than in a batch")
        worst = max(worst, comparison.max_difference)
    if not worst <= limit:
        raise WrongOutput(
            f"row {row} alone differs from the same row in a batch by {worst:.2g} of the largest value,"
            f" {precision} may by {limit:g}: rows of a batch influence each other"
        )
    return worst


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheVerdict:
    """Whether a target seems to keep answers. `ratio`: median latency of equal over that of distinct samples."""

    cached: bool
    ratio: float
    detail: str


def judge_caching(distinct_ns: NDArray[Any], equal_ns: NDArray[Any]) -> CacheVerdict:
    """Decides from latencies of requests with samples never sent before, and of requests that all repeat one sample.

    A target that keeps answers gives the second faster. It is called so if their median is at most 0.8 of the first
    (warm processor caches alone give a few per cent) and the rank-sum test of H. B. Mann and D. R. Whitney, Annals of
    Mathematical Statistics 18 (1947), one-sided, with correction for ties, finds them faster at 99.9 %. The two kinds
    should have been sent alternately, so that drift of the host falls on both.

    Raises:
        ValueError: fewer than 20 latencies of a kind.
    """
    if min(len(distinct_ns), len(equal_ns)) < FEWEST_LATENCIES:
        raise ValueError(
            f"{len(distinct_ns)} and {len(equal_ns)} latencies are too few to tell,"
            f" {FEWEST_LATENCIES} of each are needed"
        )
    slow, fast = float(np.median(distinct_ns)), float(np.median(equal_ns))
    ratio = fast / slow if slow > 0.0 else 1.0
    certain = _faster_z(equal_ns, distinct_ns) >= NormalDist().inv_cdf(CACHED_CONFIDENCE)
    cached = certain and ratio <= CACHED_RATIO
    words = "answers seem to be kept" if cached else "no sign that answers are kept"
    return CacheVerdict(
        cached=cached,
        ratio=ratio,
        detail=f"repeated samples take {ratio:.2f} of the time of distinct ones"
        f" ({fast / 1e6:.3g} of {slow / 1e6:.3g} ms): {words}",
    )


def _faster_z(a: NDArray[Any], b: NDArray[Any]) -> float:
    """Standard deviations by which `a` ranks below `b`; 0 if all are equal."""
    both = np.concatenate([a, b]).astype(np.float64)
    _, inverse, counts = np.unique(both, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    n, m = len(a), len(b)
    total = n + m
    pairs_above = n * m + n * (n + 1) / 2 - float(ranks[:n].sum())
    ties = float(np.sum(counts.astype(np.float64) ** 3 - counts)) / (total * (total - 1))
    variance = n * m / 12 * (total + 1 - ties)
    return (pairs_above - n * m / 2) / math.sqrt(variance) if variance > 0.0 else 0.0

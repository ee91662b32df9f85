"""Distributions of latency from a stored histogram: quantiles, and the empirical distribution with its band."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate

from msearch_analysis.rows import Bucket

CONFIDENCE = 0.95
SURE = 0.99


def quantile(buckets: Sequence[Bucket], share: float) -> float:
    """The latency in ms that `share` (above 0, up to 1) of the requests do not exceed: nearest rank, three digits.

    Raises:
        ValueError: the share is out of range, or there is no request.
    """
    if not 0 < share <= 1 or not buckets:
        raise ValueError(f"no quantile at {share!r} of {len(buckets)} buckets")
    counts = list(accumulate(bucket.count for bucket in buckets))
    # Rounded first: 0.999 * 1000 may be a little more than 999.
    rank = max(math.ceil(round(share * counts[-1], 6)), 1)
    bucket = buckets[bisect_left(counts, rank)]
    return (bucket.low + bucket.high) / 2


def may_tell(share: float, count: int) -> bool:
    """Whether `count` requests are enough to give the quantile at `share`.

    MLPerf's early stopping rule with one request beyond: P(Binomial(n, tail) <= 1) <= 0.01. So 11 for the median, 64
    for 0.9, 662 for 0.99, and by symmetry 64 for 0.1.
    """
    inside = max(share, 1 - share)
    return inside**count + count * (1 - inside) * inside ** (count - 1) <= 1 - SURE if count else False


def band(count: int) -> float:
    """Half the height of a band around the distribution of `count` requests that holds all of it with 95 %.

    sqrt(log(2 / 0.05) / (2 n)): Dvoretzky, Kiefer and Wolfowitz 1956, with the constant of Massart 1990. It takes the
    requests as independent; in a queue they are not quite.
    """
    return math.sqrt(math.log(2 / (1 - CONFIDENCE)) / (2 * count))


def steps(buckets: Sequence[Bucket], *, most: int = 120) -> list[tuple[float, float]]:
    """At most so many places (latency in ms, share of requests up to it) of the distribution, ascending.

    Places are even in the share, so that steep parts get more of them; the first and the last bucket are kept.
    """
    counts = list(accumulate(bucket.count for bucket in buckets))
    if not counts:
        return []
    total = counts[-1]
    wanted = {bisect_left(counts, max(math.ceil(total * step / most), 1)) for step in range(1, most)}
    kept = sorted(wanted | {0, len(buckets) - 1})
    if len(buckets) <= most:
        kept = list(range(len(buckets)))
    return [((buckets[place].low + buckets[place].high) / 2, counts[place] / total) for place in kept]

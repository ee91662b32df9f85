"""Upper bounds for a share of rows, and for the difference of two shares over the same rows.

All bounds are one-sided: the true value lies above them with probability at most 1 - confidence.
"""

from __future__ import annotations

import math
from statistics import NormalDist

from msearch_analysis.probabilities import binomial_cdf

CONFIDENCE = 0.95


def share_upper(count: int, rows: int, confidence: float = CONFIDENCE) -> float:
    """The largest share that `count` of `rows` is still compatible with: the exact bound of Clopper and Pearson.

    C. J. Clopper, E. S. Pearson, Biometrika 26 (1934): with it, so few are seen in 1 - confidence of all samples.

    Raises:
        ValueError: `count` is not between 0 and `rows`.
    """
    _check(count, rows, confidence)
    if count == rows:
        return 1.0
    if count == 0:
        return -math.expm1(math.log1p(-confidence) / rows)
    low, high = count / rows, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        if binomial_cdf(count, rows, middle) > 1.0 - confidence:
            low = middle
        else:
            high = middle
    return high


def paired_difference_upper(lost: int, gained: int, rows: int, confidence: float = CONFIDENCE) -> float:
    """The largest loss of accuracy that is compatible with `lost` and `gained` among `rows` judged twice.

    `lost` rows were right only the first time, `gained` only the second; the loss is P(lost) - P(gained). By the score
    interval of T. Tango, Statistics in Medicine 17 (1998) 891-908, which unlike Wald's and Newcombe's does not shrink
    to nothing when both counts are 0. Where nothing was gained the loss is a share, and its exact bound is taken: the
    score bound would hold too rarely there.

    Raises:
        ValueError: the counts are negative or more than `rows`.
    """
    _check(lost + gained, rows, confidence)
    _check(lost, rows, confidence)
    if gained == 0:
        return share_upper(lost, rows, confidence)
    z = NormalDist().inv_cdf(confidence)
    low, high = (lost - gained) / rows, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        if _tango_score(lost, gained, rows, middle) > -z:
            low = middle
        else:
            high = middle
    return high


def rows_needed(share: float, limit: float, confidence: float = CONFIDENCE) -> int | None:
    """How many rows bring `share_upper` of that share down to `limit`; None if the share itself is not below it.

    Without a single row (share 0) that is ln(1 - confidence) / ln(1 - limit): 299 for 1 %.
    """
    if not 0.0 <= share < limit < 1.0:
        return None
    low, high = 0, 1
    while share_upper(math.ceil(share * high), high, confidence) > limit:
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        if share_upper(math.ceil(share * middle), middle, confidence) > limit:
            low = middle
        else:
            high = middle
    return high


def _tango_score(lost: int, gained: int, rows: int, loss: float) -> float:
    """How many standard deviations the counts lie from a true `loss` (Tango's equations 3 to 8)."""
    linear = (2 * rows - lost + gained) * loss - lost - gained
    constant = -gained * loss * (1 - loss)
    gained_share = (math.sqrt(max(linear * linear - 8 * rows * constant, 0.0)) - linear) / (4 * rows)
    variance = rows * (2 * gained_share + loss * (1 - loss))
    distance = lost - gained - rows * loss
    if variance <= 0.0:
        return 0.0 if distance == 0.0 else math.copysign(math.inf, distance)
    return distance / math.sqrt(variance)


def _check(count: int, rows: int, confidence: float) -> None:
    if not (rows > 0 and 0 <= count <= rows):
        raise ValueError(f"{count} of {rows} rows is not a share")
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"a confidence lies between 0 and 1, not at {confidence:g}")

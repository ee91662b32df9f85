"""Whether one variant is better than another, from the medians of repeated runs of each.

    effect = exp(mean(log b) - mean(log a)) - 1, with its 95 % interval by Welch's t (unequal variances)
    threshold = max(minimum effect, the host's own A/A noise)

    SAME       the whole interval lies within the threshold: equivalence by two one-sided tests (Schuirmann 1987)
    BETTER     the interval excludes 0 and the effect is past the threshold, in the good direction
    WORSE      the same in the bad direction
    AMBIGUOUS  anything else: more runs are needed

A host's A/A noise is what two measurements of the very same thing differ by for reasons that the spread within either
does not show, such as where a process happened to be placed.
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from profiler_agent.stats.distributions import student_t_quantile


class Answer(StrEnum):
    """What a comparison says of b against a."""

    BETTER = "BETTER"
    WORSE = "WORSE"
    SAME = "SAME"
    AMBIGUOUS = "AMBIGUOUS"


@dataclass(frozen=True, slots=True)
class Comparison:
    """The answer with the effect of b over a and its interval, as shares: 0.05 means that b is 5 % higher."""

    answer: Answer
    effect: float
    low: float
    high: float


def compare(
    a: Sequence[float],
    b: Sequence[float],
    min_effect: float = 0.02,
    noise: float = 0.0,
    *,
    lower_is_better: bool = True,
    confidence: float = 0.95,
) -> Comparison:
    """Compares the run medians of b with those of the baseline a.

    Raises:
        ValueError: a side is empty, or a median is not a positive number.
    """
    if not a or not b:
        raise ValueError("a comparison needs at least one run on either side")
    if not all(math.isfinite(median) and median > 0 for median in (*a, *b)):
        raise ValueError("a comparison needs positive medians")
    effect, half = _log_effect([math.log(median) for median in a], [math.log(median) for median in b], confidence)
    low, high = math.expm1(effect - half), _expm1(effect + half)
    share = math.expm1(effect)
    return Comparison(_answer(share, low, high, max(min_effect, noise), lower_is_better), share, low, high)


def _log_effect(a: Sequence[float], b: Sequence[float], confidence: float) -> tuple[float, float]:
    difference = statistics.fmean(b) - statistics.fmean(a)
    if len(a) < 2 or len(b) < 2:
        return difference, math.inf
    parts = statistics.variance(a) / len(a), statistics.variance(b) / len(b)
    total = sum(parts)
    if total == 0.0:
        return difference, 0.0
    degrees = total**2 / (parts[0] ** 2 / (len(a) - 1) + parts[1] ** 2 / (len(b) - 1))
    return difference, student_t_quantile((1.0 + confidence) / 2, degrees) * math.sqrt(total)


def _expm1(value: float) -> float:
    return math.expm1(value) if value < 700 else math.inf


def _answer(effect: float, low: float, high: float, threshold: float, lower_is_better: bool) -> Answer:
    # In logarithms, so that twice as slow and twice as fast are equally far from the same.
    bound = math.log1p(threshold)
    if -bound <= _log1p(low) and _log1p(high) <= bound:
        return Answer.SAME
    if not low <= 0.0 <= high and abs(math.log1p(effect)) > bound:
        return Answer.BETTER if (effect < 0) == lower_is_better else Answer.WORSE
    return Answer.AMBIGUOUS


def _log1p(value: float) -> float:
    return math.log1p(value) if value > -1.0 else -math.inf


def noise_of(medians: Sequence[float]) -> float:
    """A host's A/A noise from medians of the same thing, measured again and again: what 95 % of differences stay below.

    Of the absolute log ratios of neighbours in time, the 95th percentile by nearest rank, as a share.
    """
    if len(medians) < 2:
        return 0.0
    ratios = sorted(abs(math.log(later / earlier)) for earlier, later in itertools.pairwise(medians))
    return math.expm1(ratios[math.ceil(0.95 * len(ratios)) - 1])

"""Do two series of runs differ? An interval of the ratio of their medians, against the noise of equal runs.

With x and y the logarithms of a quantity in each valid run of the two:

    difference = mean y - mean x, with Welch's interval at 95 % (B. L. Welch, Biometrika 34, 1947)
    noise      = the 95th percentile of what neighbours in time of equal runs differ by
    bound      = max(log(1 + smallest effect), noise)

    SAME       the whole interval lies within the bound (two one-sided tests, D. J. Schuirmann 1987)
    BETTER     the interval excludes 0 and the difference is past the bound, in the good direction
    WORSE      the same in the bad direction
    AMBIGUOUS  anything else: more runs are needed, or a quieter host
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import fmean, variance

from msearch_analysis.probabilities import student_t_quantile

CONFIDENCE = 0.95
NOISE_SHARE = 0.95
MIN_EFFECT = 0.02


class Answer(StrEnum):
    """What a comparison found of the second profile: better or worse than the first, the same, or it cannot be told."""

    BETTER = "BETTER"
    WORSE = "WORSE"
    SAME = "SAME"
    AMBIGUOUS = "AMBIGUOUS"


@dataclass(frozen=True, slots=True)
class Difference:
    """From the first series to the second, in logarithms; `reach` is half the interval, None from one run only."""

    difference: float
    reach: float | None
    noise: float
    bound: float

    @property
    def effect(self) -> float:
        """The relative change: -0.1 is 10 % less."""
        return math.expm1(self.difference)

    @property
    def low(self) -> float | None:
        """The lower end of the interval of the effect."""
        return None if self.reach is None else math.expm1(self.difference - self.reach)

    @property
    def high(self) -> float | None:
        """The upper end of the interval of the effect."""
        # Beyond, the exponential overflows.
        return None if self.reach is None else math.expm1(min(self.difference + self.reach, 700.0))

    def answer(self, *, less_is_better: bool) -> Answer:
        """What the second series is, compared with the first."""
        if self.reach is None:
            return Answer.AMBIGUOUS
        low, high = self.difference - self.reach, self.difference + self.reach
        if -self.bound <= low and high <= self.bound:
            return Answer.SAME
        if not low <= 0 <= high and abs(self.difference) > self.bound:
            return Answer.BETTER if (self.difference < 0) == less_is_better else Answer.WORSE
        return Answer.AMBIGUOUS


def difference_of(
    x: Sequence[float],
    y: Sequence[float],
    *,
    min_effect: float = MIN_EFFECT,
    earlier: Sequence[Sequence[float]] = (),
) -> Difference:
    """The difference from `x` to `y`, both logarithms of one value a run, in order of time, at least one each.

    Args:
        x: the baseline.
        y: what is compared with it.
        min_effect: differences below this share do not matter.
        earlier: further series of logarithms in order of time, each of one thing measured again and again; they tell
            more of the noise.
    """
    noise = noise_of([x, y, *earlier])
    return Difference(fmean(y) - fmean(x), _reach(x, y), noise, max(math.log1p(min_effect), noise))


def noise_of(series: Sequence[Sequence[float]]) -> float:
    """What 95 % of neighbours in time stay below, by nearest rank, in logarithms."""
    steps = sorted(abs(later - now) for one in series for now, later in itertools.pairwise(one))
    return steps[math.ceil(NOISE_SHARE * len(steps)) - 1] if steps else 0.0


def _reach(x: Sequence[float], y: Sequence[float]) -> float | None:
    """Half the width of Welch's interval, or None where a side has one run only."""
    if min(len(x), len(y)) < 2:
        return None
    share_x, share_y = variance(x) / len(x), variance(y) / len(y)
    total = share_x + share_y
    if total == 0:
        return 0.0
    freedom = total**2 / (share_x**2 / (len(x) - 1) + share_y**2 / (len(y) - 1))
    return student_t_quantile((1 + CONFIDENCE) / 2, freedom) * math.sqrt(total)

"""How far estimates of sizes are off, and whether placement can build on them.

The error of one estimate is ln(actual / estimate). A `Record` keeps its mean (the bias) and its mean square with
exponential forgetting; `sigma` is the spread around the bias, as the sigma of a lognormal error.

`Trust` switches with hysteresis: to fewest jobs above `distrust_above`, back to least work below `trust_below`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

from msearch_scheduling.placement import Measure

FORGETTING = 0.05
"""Weight of the newest error: about the last 40 jobs count."""
ENOUGH = 10
"""Fewer errors than this say nothing: sizes are not trusted."""


@dataclass(frozen=True, slots=True)
class Record:
    """What past estimates were worth: how many, mean and mean square of ln(actual / estimate)."""

    count: int = 0
    bias: float = 0.0
    mean_square: float = 0.0

    @property
    def sigma(self) -> float:
        """Spread of the error around its bias; infinite before the first."""
        return math.sqrt(max(0.0, self.mean_square - self.bias**2)) if self.count else math.inf

    @property
    def relative_error(self) -> float:
        """What an estimate is typically off by, as a share of it: exp(sigma) - 1."""
        return math.expm1(min(self.sigma, 700.0))

    def after(self, *, estimate_s: float, actual_s: float) -> Record:
        """The record with one more job. Raises ValueError where a size is not above 0."""
        if not (0 < estimate_s < math.inf and 0 < actual_s < math.inf):
            raise ValueError(f"estimate {estimate_s:g} s, actual size {actual_s:g} s: both must be above 0 and finite")
        error = math.log(actual_s / estimate_s)
        weight = max(FORGETTING, 1 / (self.count + 1))
        return Record(
            count=self.count + 1,
            bias=self.bias + weight * (error - self.bias),
            mean_square=self.mean_square + weight * (error**2 - self.mean_square),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """Whether sizes are trusted now, and when that changes."""

    record: Record = field(default_factory=Record)
    trusted: bool = False
    distrust_above: float = 0.7
    trust_below: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.trust_below <= self.distrust_above:
            raise ValueError(f"trust_below {self.trust_below:g} must lie in [0, {self.distrust_above:g}]")

    def after(self, *, estimate_s: float, actual_s: float) -> Trust:
        """The trust after one more job has ended."""
        record = self.record.after(estimate_s=estimate_s, actual_s=actual_s)
        limit = self.distrust_above if self.trusted else self.trust_below
        return replace(self, record=record, trusted=record.count >= ENOUGH and record.sigma <= limit)

    @property
    def measure(self) -> Measure:
        """What placement compares."""
        return Measure.WORK if self.trusted else Measure.JOBS

    @property
    def caution(self) -> float:
        """For OrderRules: what two sizes may be off by against each other, exp(2.5 sigma), at most 20.

        2.5 leaves fewer than 1 in 10,000 jobs above the limit of waits at sigma = 1 and load 0.8, for 3 per cent of
        the ratio (docs/scheduling.md). 4 as long as too few jobs have ended to know.
        """
        return min(20.0, math.exp(min(10.0, 2.5 * self.record.sigma))) if self.record.count >= ENOUGH else 4.0

    @property
    def reason(self) -> str:
        """Why sizes are trusted or not."""
        if self.record.count < ENOUGH:
            return f"sizes are not trusted before {ENOUGH} jobs have ended ({self.record.count} have)"
        factor = math.exp(min(self.record.sigma, 700.0))
        error = f"estimates are off by a factor of {factor:.3g} (sigma {self.record.sigma:.2f})"
        if self.trusted:
            return f"sizes are trusted: {error}, until sigma exceeds {self.distrust_above:g}"
        return f"sizes are not trusted: {error}, until sigma is at most {self.trust_below:g}"

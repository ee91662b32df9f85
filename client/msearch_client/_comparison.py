"""Is one profile better than another? An interval of the ratio of their run medians, against the noise of the host."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import fmean, variance

from msearch_client._errors import LocalError
from msearch_client._loads import Scenario
from msearch_client._profiles import Profile, Verdict
from msearch_client._quantities import HIGHER, LOWER, better_of
from msearch_client._records import Record
from msearch_client._student import student_quantile

CONFIDENCE = 0.95

_DEFAULT_METRIC = {Scenario.OFFLINE: "throughput_per_s", Scenario.FIND_PEAK: "peak_rate_per_s"}
_METRIC_OTHERWISE = "p50_ms"


class Answer(StrEnum):
    """What a comparison found of the second profile: better or worse than the first, the same, or it cannot be told."""

    BETTER = "BETTER"
    WORSE = "WORSE"
    SAME = "SAME"
    AMBIGUOUS = "AMBIGUOUS"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison(Record):
    """What the second of two profiles is, compared with the first, in one quantity.

    `effect` is the relative change from first to second (-0.1: 10 % less), `low` and `high` its 95 % interval widened
    by the `noise` of equal runs; the ends are None where there were too few runs. `notices` are things to know.
    """

    answer: Answer
    metric: str
    first_value: float
    second_value: float
    effect: float
    low: float | None
    high: float | None
    min_effect: float
    noise: float | None
    first: str
    second: str
    notices: tuple[str, ...] = ()


def compare_profiles(first: Profile, second: Profile, *, metric: str = "", min_effect: float = 0.02) -> Comparison:
    """Compares the second profile with the first, both with their runs.

    With x and y the logarithms of the quantity in each valid run of the two: effect = exp(mean y - mean x) - 1, with
    Welch's interval (B. L. Welch, Biometrika 34, 1947) of mean y - mean x at 95 %. The noise is the pooled standard
    deviation of x and of y: what equal runs on this host differ by. The interval is widened by it on both sides,
    because runs made one after another resemble each other more than those of another day. The answer is BETTER or
    WORSE if the whole interval lies beyond `min_effect`, SAME if it lies within, else AMBIGUOUS.

    Raises:
        LocalError: a profile is INVALID, they are of different host classes, or the quantity was not measured in both.
    """
    if not 0 <= min_effect < 1:
        raise LocalError(f"the smallest effect must be a share from 0 to below 1, not {min_effect!r}")
    for profile in (first, second):
        if not profile.valid:
            rules = ", ".join(reason.rule for reason in profile.reasons)
            raise LocalError(
                f"the profile {profile.id} is INVALID ({rules}), so nothing follows from it", hint="measure again"
            )
    if first.host_class != second.host_class:
        raise LocalError(
            f"the profiles were measured on hosts of different classes: {first.host_class} and {second.host_class}",
            hint="profiles compare within a host class only: measure both there with --host-class",
        )
    chosen = metric or _DEFAULT_METRIC.get(first.load.scenario, _METRIC_OTHERWISE)
    better = better_of(chosen)
    if better not in (LOWER, HIGHER):
        raise LocalError(f"nobody can say which values of {chosen} are better", hint="compare another quantity")
    x, y = _logarithms(first, chosen), _logarithms(second, chosen)
    difference = fmean(y) - fmean(x)
    low, high, noise = _interval(x, y, difference)
    notices = []
    if noise is None:
        notices.append("an answer needs at least two valid runs on each side; measure again with more repeats")
    if first.load_text != second.load_text:
        notices.append(f"the loads differ: {first.load_text} and {second.load_text}")
    if first.model_name != second.model_name:
        notices.append(f"the models differ: {first.model_name or 'none'} and {second.model_name or 'none'}")
    return Comparison(
        answer=_decide(low, high, min_effect, better),
        metric=chosen,
        first_value=math.exp(fmean(x)),
        second_value=math.exp(fmean(y)),
        effect=math.expm1(difference),
        low=None if low is None else math.expm1(low),
        high=None if high is None else math.expm1(high),
        min_effect=min_effect,
        noise=None if noise is None else math.expm1(noise),
        first=first.id,
        second=second.id,
        notices=tuple(notices),
    )


def _logarithms(profile: Profile, metric: str) -> list[float]:
    """Logarithms of a quantity, one a valid run."""
    found = [run.value(metric) for run in profile.runs if run.verdict is Verdict.VALID]
    values = [value for value in found if value is not None]
    if not values and (value := profile.value(metric)) is not None:
        values = [value]
    if not values:
        raise LocalError(f"{metric} was not measured in the profile {profile.id}", hint="compare another quantity")
    if min(values) <= 0:
        raise LocalError(f"{metric} of the profile {profile.id} is not above 0, so no ratio can be formed")
    return [math.log(value) for value in values]


def _interval(
    x: Sequence[float], y: Sequence[float], difference: float
) -> tuple[float | None, float | None, float | None]:
    """Ends of the widened interval and the noise, all of logarithms; None where a side has one run only."""
    if min(len(x), len(y)) < 2:
        return None, None, None
    share_x, share_y = variance(x) / len(x), variance(y) / len(y)
    error = math.sqrt(share_x + share_y)
    reach = 0.0
    if error > 0:
        freedom = (share_x + share_y) ** 2 / (share_x**2 / (len(x) - 1) + share_y**2 / (len(y) - 1))
        reach = student_quantile((1 + CONFIDENCE) / 2, freedom) * error
    pooled = (len(x) - 1) * variance(x) + (len(y) - 1) * variance(y)
    noise = math.sqrt(pooled / (len(x) + len(y) - 2))
    return difference - reach - noise, difference + reach + noise, noise


def _decide(low: float | None, high: float | None, min_effect: float, better: str) -> Answer:
    if low is None or high is None:
        return Answer.AMBIGUOUS
    least, most = math.log1p(-min_effect), math.log1p(min_effect)
    if high < least:
        return Answer.BETTER if better == LOWER else Answer.WORSE
    if low > most:
        return Answer.WORSE if better == LOWER else Answer.BETTER
    return Answer.SAME if least <= low and high <= most else Answer.AMBIGUOUS

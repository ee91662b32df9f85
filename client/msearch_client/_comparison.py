"""Is one profile better than another? An interval of the ratio of their run medians, against the noise of the host."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from msearch_analysis.significance import MIN_EFFECT, Answer, Difference, difference_of
from msearch_client._errors import LocalError
from msearch_client._loads import Scenario
from msearch_client._profiles import Profile, Verdict
from msearch_client._quantities import LOWER, better_of
from msearch_client._records import Record

_DEFAULT_METRIC = {Scenario.OFFLINE: "throughput_per_s", Scenario.FIND_PEAK: "peak_rate_per_s"}
_METRIC_OTHERWISE = "p50_ms"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison(Record):
    """What the second of two profiles is, compared with the first, in one quantity.

    `effect` is the relative change from first to second (-0.1: 10 % less), `low` and `high` its 95 % interval; the ends
    are None where a side has one run only. `threshold` is what a difference must exceed to matter: the larger of
    `min_effect` and `noise`, what equal runs on this host differ by. `notices` are things to know.
    """

    answer: Answer
    metric: str
    first_value: float
    second_value: float
    effect: float
    low: float | None
    high: float | None
    min_effect: float
    noise: float
    first: str
    second: str
    notices: tuple[str, ...] = ()

    @property
    def threshold(self) -> float:
        """What a difference must exceed to matter."""
        return max(self.min_effect, self.noise)


def choose_metric(profile: Profile, metric: str = "") -> str:
    """The quantity to compare by: the one asked for, or what the load is about."""
    return metric or _DEFAULT_METRIC.get(profile.load.scenario, _METRIC_OTHERWISE)


def compare_profiles(
    first: Profile,
    second: Profile,
    *,
    metric: str = "",
    min_effect: float = MIN_EFFECT,
    earlier: Sequence[Sequence[float]] = (),
) -> Comparison:
    """Compares the second profile with the first, both with their runs.

    The rule is that of `msearch_analysis.significance`: Welch's interval of the ratio of their run medians, against the
    larger of `min_effect` and the noise of the host.

    Args:
        first: the baseline.
        second: what is compared with it.
        metric: the quantity; empty takes what the load is about.
        min_effect: differences below this share do not matter.
        earlier: series in order of time of values of the quantity, each of one thing measured again and again. They
            show what the runs of one job, made one after another, do not.

    Raises:
        LocalError: a profile is INVALID, they are of different host classes, or the quantity was not measured in both.
    """
    if not 0 <= min_effect < 1:
        raise LocalError(f"the smallest effect must be a share from 0 to below 1, not {min_effect!r}")
    for profile in (first, second):
        if not profile.valid:
            rules = ", ".join(reason.rule for reason in profile.reasons) or "no reason given"
            problem = f"the profile {profile.id} is INVALID ({rules}), so nothing follows from it"
            raise LocalError(
                problem, hint=f"measure again; `msearch-cli profiles show {profile.id}` explains the rules"
            )
    if first.host_class != second.host_class:
        raise LocalError(
            f"the profiles were measured on hosts of different classes: {first.host_class} and {second.host_class}",
            hint="profiles compare within a host class only: measure both on one with --host-class",
        )
    chosen = choose_metric(first, metric)
    better = better_of(chosen)
    x, y = _logarithms(first, chosen), _logarithms(second, chosen)
    found = difference_of(
        x, y, min_effect=min_effect,
        earlier=[[math.log(value) for value in series if value > 0] for series in earlier],
    )  # fmt: skip
    return Comparison(
        answer=found.answer(less_is_better=better == LOWER),
        metric=chosen,
        first_value=math.exp(sum(x) / len(x)),
        second_value=math.exp(sum(y) / len(y)),
        effect=found.effect,
        low=found.low,
        high=found.high,
        min_effect=min_effect,
        noise=math.expm1(found.noise),
        first=first.id,
        second=second.id,
        notices=_notices(first, second, found, min_effect),
    )


def _notices(first: Profile, second: Profile, difference: Difference, min_effect: float) -> tuple[str, ...]:
    found = []
    if difference.reach is None:
        found.append("an answer needs at least two valid runs on each side; measure again with more repeats")
    elif math.expm1(difference.noise) > min_effect:
        found.append(
            f"equal runs on this host differ by {100 * math.expm1(difference.noise):.3g} %, more than the "
            f"{100 * min_effect:.3g} % asked for, so only larger differences can be told"
        )
    if first.load_text != second.load_text:
        found.append(f"the loads differ: {first.load_text} and {second.load_text}")
    if first.model_name != second.model_name:
        found.append(f"the models differ: {first.model_name or 'none'} and {second.model_name or 'none'}")
    changed = [
        f"{name} {first.versions[name]} and {second.versions[name]}"
        for name in sorted(first.versions.keys() & second.versions.keys())
        if first.versions[name] != second.versions[name]
    ]
    if changed:
        found.append(f"library versions differ: {', '.join(changed)}")
    return tuple(found)


def _logarithms(profile: Profile, metric: str) -> list[float]:
    """Logarithms of a quantity, one a valid run, in order of time."""
    runs = sorted((run for run in profile.runs if run.verdict is Verdict.VALID), key=lambda run: run.started_at)
    values = [value for run in runs if (value := run.value(metric)) is not None]
    if not values and (whole := profile.value(metric)) is not None:
        values = [whole]
    if not values:
        raise LocalError(
            f"{metric} was not measured in the profile {profile.id}",
            hint="compare another quantity; a percentile needs enough requests",
        )
    if min(values) <= 0:
        raise LocalError(f"{metric} of the profile {profile.id} is not above 0, so no ratio can be formed")
    return [math.log(value) for value in values]

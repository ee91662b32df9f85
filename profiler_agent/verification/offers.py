"""Decides whether a variant is worth offering: surely faster than compiled fp32, and surely no worse than allowed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msearch_analysis.probabilities import student_t_quantile
from profiler_agent.verification.proportions import CONFIDENCE, paired_difference_upper, rows_needed, share_upper
from profiler_agent.work import Precision, Variant


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeedUp:
    """How many times faster a variant is than its yardstick, with a 95 % interval.

    `low` and `high` are None where there are too few repeats for an interval.
    """

    ratio: float
    low: float | None
    high: float | None
    pairs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """What a variant costs in right answers, as a share of rows.

    `value` is the accuracy of the reference less that of the variant (with labels, then it may be negative), or the
    share of rows that are answered otherwise than by the reference. `upper` is its one-sided 95 % bound.
    """

    value: float
    upper: float
    rows: int
    labelled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """The decision, why in words with numbers, and the speed-up where it is known."""

    offered: bool
    reason: str
    speed_up: float | None = None
    low: float | None = None
    high: float | None = None


def speed_up(yardstick: Sequence[float], variant: Sequence[float], confidence: float = CONFIDENCE) -> SpeedUp:
    """The ratio yardstick / variant of the medians of paired repeats, in which less is faster (latency, s per answer).

    The mean of the logarithms of the ratios, with Student's interval on that scale, so that it does not matter which of
    the two is the yardstick. What one of them has more repeats of is left out.

    Raises:
        ValueError: no pair, or a median that is not a positive number.
    """
    pairs = min(len(yardstick), len(variant))
    values = np.asarray([yardstick[:pairs], variant[:pairs]], dtype=np.float64)
    if pairs == 0 or not np.all(np.isfinite(values) & (values > 0.0)):
        raise ValueError(f"medians of repeats must be positive: {list(yardstick)} against {list(variant)}")
    ratios = np.log(values[0]) - np.log(values[1])
    centre = float(np.mean(ratios))
    if pairs == 1:
        return SpeedUp(ratio=math.exp(centre), low=None, high=None, pairs=pairs)
    error = float(np.std(ratios, ddof=1)) / math.sqrt(pairs)
    margin = student_t_quantile(0.5 + confidence / 2, pairs - 1) * error
    return SpeedUp(ratio=math.exp(centre), low=math.exp(centre - margin), high=math.exp(centre + margin), pairs=pairs)


def accuracy_loss(reference_right: NDArray[np.bool_], variant_right: NDArray[np.bool_]) -> Loss:
    """From which rows the reference and the variant answer as labelled.

    Raises:
        ValueError: no rows, or not the same number.
    """
    if reference_right.shape != variant_right.shape or reference_right.size == 0:
        raise ValueError(f"{reference_right.size} and {variant_right.size} rows cannot be compared one by one")
    lost = int(np.sum(reference_right & ~variant_right))
    gained = int(np.sum(variant_right & ~reference_right))
    rows = reference_right.size
    upper = paired_difference_upper(lost, gained, rows)
    return Loss(value=(lost - gained) / rows, upper=upper, rows=rows, labelled=True)


def disagreement(agreed: NDArray[np.bool_]) -> Loss:
    """From which rows the variant answers as the reference does (`Comparison.agreed`), where there are no labels.

    Raises:
        ValueError: no rows.
    """
    differing = int(np.sum(~agreed))
    return Loss(
        value=differing / max(agreed.size, 1),
        upper=share_upper(differing, agreed.size),
        rows=agreed.size,
        labelled=False,
    )


def right_answers(classes: NDArray[Any], labels: NDArray[Any]) -> NDArray[np.bool_]:
    """Which rows are answered as labelled; both as class numbers or both as the names of classes.

    Raises:
        ValueError: not the same number of rows.
    """
    if classes.shape != labels.shape:
        raise ValueError(f"there are {labels.size} labels for {classes.size} rows")
    return np.asarray(classes == labels, dtype=np.bool_)


def decide(variant: Variant, speed: SpeedUp | None, loss: Loss | None, epsilon: float, *, problem: str = "") -> Offer:
    """Whether a verified variant is offered.

    `problem` is the comparison's: what is wrong with the outputs, empty if nothing. fp32 is the yardstick: it is
    offered if its outputs are right. Any other is offered only if the lower bound of its speed-up is above 1 and the
    upper bound of its loss at most `epsilon`. `speed` is None where the yardstick could not be measured, `loss` where
    there were no rows to compare.
    """
    known = {} if speed is None else {"speed_up": speed.ratio, "low": speed.low, "high": speed.high}
    if problem:
        return Offer(offered=False, reason=f"rejected: {problem}", **known)
    if variant.precision is Precision.FP32:
        return Offer(
            offered=True, reason="offered: fp32, the yardstick; its outputs are those of the reference", **known
        )
    faults = [fault for fault in (_speed_fault(speed, variant), _loss_fault(loss, epsilon)) if fault]
    if faults or speed is None or loss is None:
        return Offer(offered=False, reason=f"rejected: {'; '.join(faults)}", **known)
    return Offer(
        offered=True,
        reason=f"offered: {_speed_words(speed)} than fp32; {_loss_words(loss)}, within {_percent(epsilon)}",
        **known,
    )


def _speed_fault(speed: SpeedUp | None, variant: Variant) -> str:
    if speed is None:
        return f"fp32 on {variant.backend} was not measured, so there is nothing to compare its speed with"
    if speed.low is None:
        return f"{speed.pairs} repeat gives no interval of the speed-up ({speed.ratio:.2f}); two or more are needed"
    if speed.low <= 1.0:
        return f"it is not surely faster than fp32: {_speed_words(speed)}"
    return ""


def _loss_fault(loss: Loss | None, epsilon: float) -> str:
    if loss is None:
        return "there were no rows to compare its answers on"
    if loss.upper <= epsilon:
        return ""
    words = f"{_loss_words(loss)}, more than {_percent(epsilon)}"
    needed = rows_needed(max(loss.value, 0.0), epsilon)
    if needed is None:
        return words
    if needed <= loss.rows:  # gains and losses that cancel out tell less than their difference does
        return f"{words}; more rows would narrow it down"
    return f"{words}; {needed:,} rows with the same share would be needed to tell"


def _speed_words(speed: SpeedUp) -> str:
    interval = "" if speed.low is None else f" (95 %: {speed.low:.2f} to {speed.high:.2f})"
    return f"{speed.ratio:.2f} times as fast{interval}"


def _loss_words(loss: Loss) -> str:
    what = "it loses accuracy of" if loss.labelled else "it answers otherwise in"
    rows = "labelled rows" if loss.labelled else "rows"
    return f"{what} {_percent(loss.value)} of {loss.rows:,} {rows}, at most {_percent(loss.upper)} at 95 %"


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"

"""How good an estimate of accuracies is, target by target, and how sure one can be of a difference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, fields

import numpy as np
from numpy.typing import NDArray
from scipy.stats import kendalltau

from examples.zoo.quality import judge as judge_order
from msearch_accuracy import Prediction

Values = NDArray[np.float64]
_DRAWS = 2_000


@dataclass(frozen=True, slots=True)
class Judged:
    """One ranking of one target, or a mean. NaN where a score is no estimate of the accuracy (mae, coverage)."""

    spearman: float
    kendall: float
    regret_1: float
    regret_5: float
    top_1: float
    mae: float
    coverage: float


MEASURES = tuple(field.name for field in fields(Judged))


def judge_predictions(found: Sequence[Prediction], truth: Values) -> Judged:
    """Quality of predictions, in the order of the true accuracies [n]; a refused candidate is last."""
    values, low, high = (
        np.array([getattr(one, name) for one in found], np.float64) for name in ("accuracy", "low", "high")
    )
    inside = ((low <= truth) & (truth <= high)).astype(float)
    return judge(values, truth, estimates=True, inside=inside)


def judge(values: Values, truth: Values, *, estimates: bool = False, inside: Values | None = None) -> Judged:
    """Quality of values [n], higher is better, NaN last; ties share their places."""
    ordered = judge_order(values, truth)
    filled = np.where(np.isnan(values), -np.inf, values)
    kendall = float(kendalltau(filled, truth).statistic) if len(set(filled)) > 1 and len(set(truth)) > 1 else 0.0
    known = ~np.isnan(values)
    return Judged(
        spearman=ordered.spearman,
        kendall=kendall,
        regret_1=ordered.regret_1,
        regret_5=ordered.regret_5,
        top_1=float((truth[filled == filled.max()] == truth.max()).mean()),
        mae=float(np.abs(values - truth)[known].mean()) if estimates and known.any() else float("nan"),
        coverage=float(inside.mean()) if inside is not None else float("nan"),
    )


def mean_judged(judged: Sequence[Judged]) -> Judged:
    """Mean over targets, or over workloads."""
    rows = np.array([astuple(one) for one in judged])
    known = ~np.isnan(rows)
    totals = np.where(known, rows, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    return Judged(*(float(t) if k else float("nan") for t, k in zip(totals, known.any(axis=0), strict=True)))


def bootstrap_difference(
    first: Mapping[str, Sequence[float]], second: Mapping[str, Sequence[float]], seed: int = 0
) -> tuple[float, float, float]:
    """Mean over workloads of the mean difference over targets, and its paired 95 % bootstrap interval.

    Args:
        first: values by workload, one a target.
        second: the same targets.
        seed: of the draws.
    """
    random = np.random.default_rng(seed)
    means, draws = [], []
    for workload in first:
        difference = np.asarray(first[workload]) - np.asarray(second[workload])
        means.append(float(difference.mean()))
        draws.append(difference[random.integers(0, len(difference), (_DRAWS, len(difference)))].mean(axis=1))
    low, high = np.quantile(np.mean(draws, axis=0), [0.025, 0.975])
    return float(np.mean(means)), float(low), float(high)

"""One form of the predictor: forests over rows, and regressions of leads, which order candidates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from msearch_accuracy.errors import AccuracyError
from msearch_accuracy.forest import Forest
from msearch_accuracy.linear import Linear

Form = Literal["outputs", "signatures"]
FORMS: tuple[Form, ...] = ("outputs", "signatures")

Mixture = tuple[tuple[Forest | Linear, float], ...]
"""Regressions with their weights."""


@dataclass(frozen=True, slots=True, eq=False)
class FormPredictor:
    """One form: regressions with their weights, the features' typical values, and interval widths by metric kind.

    `forests` give P(right) of rows, `leads` how far a candidate lies above the mean of all, of which `lead_share` is
    believed. `widths` are conformal: the 90 % quantile of |error| / sqrt(p (1 - p) + 0.01) on evidence left out.
    `pairs` are the cross-evaluations it rests on, `independent` the same with rows that samples share counted once.
    """

    forests: Mixture
    leads: Mixture
    lead_share: float
    typical: NDArray[np.float32]
    widths: Mapping[str, float]
    pairs: int
    independent: float

    def chances(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """P(right) [...] of feature rows [..., F]."""
        flat = features.reshape(-1, features.shape[-1])
        return ask(self.forests, flat).reshape(features.shape[:-1])

    def lead(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Lead over the mean of all candidates [n] of pair features [n, len(PAIR_FEATURES)]."""
        return ask(self.leads, features).astype(np.float64)


def put_in_order(
    values: NDArray[np.float64], leads: NDArray[Any], share: float, level: float | None = None
) -> NDArray[np.float64]:
    """The mean of the values (or `level`) plus each lead: `share` of the learned one, the rest of the value's own."""
    mean = float(values.mean()) if level is None else level
    return np.clip(mean + share * leads + (1 - share) * (values - mean), 0.0, 1.0)


def ask(regressions: Mixture, rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """The weighted mean of what they say of feature rows [n, F]. [n]"""
    total = sum(weight for _, weight in regressions)
    mixed = sum(one.predict(rows) * np.float32(weight / total) for one, weight in regressions)
    return np.asarray(mixed, np.float32)


def mix_regressions(first: Mixture, second: Mixture, share: float) -> Mixture:
    """Both, the second with this share of the weight."""
    mixed = [(f, w / sum(v for _, v in first) * (1 - share)) for f, w in first]
    mixed += [(f, w / sum(v for _, v in second) * share) for f, w in second]
    return tuple((f, w) for f, w in mixed if w > 1e-6)


def interval_scale(value: float) -> float:
    """By what errors are divided before their quantile is taken: the deviation of one row, kept above 0.1."""
    return float(np.sqrt(value * (1 - value) + 0.01))


def read_regressions(arrays: Mapping[str, NDArray[Any]], prefix: str, weights: Sequence[float], width: int) -> Mixture:
    """Regressions that their `arrays` kept under the prefix and their places.

    Raises:
        AccuracyError: they are corrupt, or there is none.
    """
    found: list[tuple[Forest | Linear, float]] = []
    for place, weight in enumerate(weights):
        own = f"{prefix}{place}."
        kind = Linear if f"{own}slopes" in arrays else Forest
        found.append((kind.of_arrays(arrays, own, width), float(weight)))
    if not found or not min(weight for _, weight in found) > 0:
        raise AccuracyError("the predictor has no forest")
    return tuple(found)

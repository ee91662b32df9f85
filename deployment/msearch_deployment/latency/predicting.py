"""Latencies that nobody measured, with an interval, or the reason why they cannot be told.

The interval is conformal (Vovk et al. 2005; Lei et al. 2018): each model is left out once and predicted from the
others; its score is the largest error of the logarithm over its observations. The prediction of a new model is off by
more than the ceil((n + 1) x 0.9)-th smallest of n scores in one case of ten, if it is of the kind of those n.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from msearch_deployment.latency.evidence import Case, Observation
from msearch_deployment.latency.fitting import Law, fit

COVERAGE = 0.9
ENOUGH_MODELS = 10
"""Fewer than 9 models have no 90 % interval at all; with so few it is the largest error that was made."""
ENOUGH_HOSTS = 3
"""A host class that nobody measured on is predicted only where others could be left out."""
REACH = 4.0
"""How far beyond the observed range of roofline times a case may lie, as a factor."""


class Unpredictable(Exception):
    """The evidence does not tell; the message says what is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Predicted:
    """A latency in milliseconds with its 90 % interval, and how many models and host classes stand behind it."""

    latency_ms: float
    low_ms: float
    high_ms: float
    models: int
    host_classes: int


class LatencyPredictor:
    """Learned on what was measured of one form (backend, precision, threads) under one load.

    Args:
        observations: of one quantity, such as the p50, of any models, batches and hosts.

    Raises:
        Unpredictable: fewer than ten models.
    """

    def __init__(self, observations: Sequence[Observation]) -> None:
        self._observations = tuple(observations)
        models = {one.case.model for one in observations}
        if len(models) < ENOUGH_MODELS:
            raise Unpredictable(f"models measured so: {len(models)}, and a prediction needs {ENOUGH_MODELS}")
        self._models = len(models)
        self._hosts = {one.case.machine.host_class for one in observations}
        self._law = fit(observations)
        self._error = _quantile(left_out_errors(observations, lambda one: one.case.model))
        times = [one.case.roofline_ms for one in observations]
        self._shortest, self._longest = min(times), max(times)

    def predict(self, case: Case) -> Predicted:
        """The latency of a case.

        Raises:
            Unpredictable: it lies far from all that was measured, or its host class does and too few others are known.
        """
        if not self._shortest / REACH <= case.roofline_ms <= self._longest * REACH:
            raise Unpredictable(
                f"{case.model} takes at least {case.roofline_ms:.3g} ms of {case.machine.host_class}, and what was "
                f"measured {self._shortest:.3g} to {self._longest:.3g} ms"
            )
        known = case.machine.host_class in self._hosts
        error = self._error if known else self._error_elsewhere(case.machine.host_class)
        log_ms = float(self._law.log_ms([case])[0])
        return Predicted(
            latency_ms=math.exp(log_ms),
            low_ms=math.exp(log_ms - error),
            high_ms=math.exp(log_ms + error),
            models=self._models,
            host_classes=len(self._hosts),
        )

    def _error_elsewhere(self, host_class: str) -> float:
        """For a host class without measurements: whole host classes are left out, and the worst counts."""
        if len(self._hosts) < ENOUGH_HOSTS:
            raise Unpredictable(
                f"nothing was measured so on {host_class}, and a prediction needs it of {ENOUGH_HOSTS} other host "
                f"classes (there are {len(self._hosts)})"
            )
        errors = left_out_errors(self._observations, lambda one: one.case.machine.host_class)
        return max(self._error, *errors)


def left_out_errors(observations: Sequence[Observation], group: Callable[[Observation], str]) -> list[float]:
    """The largest |ln(predicted / measured)| of each group when it is left out of the fit, ascending."""
    found = []
    for name in {group(one) for one in observations}:
        kept = [one for one in observations if group(one) != name]
        left = [one for one in observations if group(one) == name]
        found.append(float(np.abs(log_errors(fit(kept), left)).max()) if kept else math.inf)
    return sorted(found)


def log_errors(law: Law, observations: Sequence[Observation]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """ln(predicted / measured) of each observation."""
    measured = np.log([one.latency_ms for one in observations])
    errors: np.ndarray[tuple[int], np.dtype[np.float64]] = law.log_ms([one.case for one in observations]) - measured
    return errors


def _quantile(scores: Sequence[float]) -> float:
    """The ceil((n + 1) x coverage)-th smallest of n scores, ascending."""
    return scores[min(math.ceil((len(scores) + 1) * COVERAGE), len(scores)) - 1]

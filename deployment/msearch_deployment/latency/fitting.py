"""The law of latency and how it is fitted.

    latency = a + b operators + c FLOPs x batch / peak + d (weights + activations x batch) / bandwidth,  a, b, c, d >= 0

    times exp(w . features), a correction that is shrunk towards 1

The law adds what a call costs, what an operator costs, and both sides of the roofline with the host's measured peaks,
so that a host enters by what it can do. Coefficients are those of least squares of the relative error, not negative
(Lawson & Hanson 1974, here by coordinate descent). The correction is ridge regression (Hoerl & Kennard 1970) of what
the law leaves of the logarithm, on the logarithms of FLOPs, of their share of an operator, of intensity and batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from msearch_deployment.latency.evidence import Case, Observation

Array = NDArray[np.float64]

RIDGE = 10.0
"""Weight of the penalty on the correction, in observations: more trusts the law, less what was measured nearby."""

_SWEEPS = 500
_TOLERANCE = 1e-10
_SMALL = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Law:
    """A fitted law: `coefficients` [4] in ms and shares, `weights` [features] of the correction with their scaling."""

    coefficients: Array
    weights: Array
    centre: Array
    spread: Array
    bias: float

    def log_ms(self, cases: Sequence[Case]) -> Array:
        """Logarithm of the predicted milliseconds, [cases]."""
        base = np.log(np.maximum(_terms(cases) @ self.coefficients, _SMALL))
        scaled = (_features(cases) - self.centre) / self.spread
        corrected: Array = base + self.bias + scaled @ self.weights
        return corrected


def fit(observations: Sequence[Observation]) -> Law:
    """The law of these observations. Raises ValueError if there are none."""
    if not observations:
        raise ValueError("a law of latency needs observations")
    cases = [one.case for one in observations]
    latency = np.array([one.latency_ms for one in observations])
    terms = _terms(cases)
    coefficients = non_negative_least_squares(terms / latency[:, None], np.ones(len(cases)))
    left = np.log(latency) - np.log(np.maximum(terms @ coefficients, _SMALL))
    features = _features(cases)
    centre, spread = features.mean(axis=0), features.std(axis=0)
    spread = np.where(spread > _SMALL, spread, 1.0)
    scaled = (features - centre) / spread
    bias = float(left.mean())
    penalty = RIDGE * np.eye(features.shape[1])
    weights = np.linalg.solve(scaled.T @ scaled + penalty, scaled.T @ (left - bias))
    return Law(coefficients, weights, centre, spread, bias)


def non_negative_least_squares(matrix: Array, target: Array) -> Array:
    """Argmin |matrix x - target|^2 over x >= 0, by cyclic coordinate descent; columns of zeros get 0."""
    scale = np.linalg.norm(matrix, axis=0)
    columns = matrix / np.where(scale > 0, scale, 1.0)
    gram, right = columns.T @ columns, columns.T @ target
    x = np.zeros(matrix.shape[1])
    for _ in range(_SWEEPS):
        before = x.copy()
        for j in range(x.size):
            if gram[j, j] > 0:
                x[j] = max(0.0, x[j] + (right[j] - gram[j] @ x) / gram[j, j])
        if np.abs(x - before).max() <= _TOLERANCE * max(1.0, float(np.abs(x).max())):
            break
    solution: Array = x / np.where(scale > 0, scale, 1.0)
    return solution


def _terms(cases: Sequence[Case]) -> Array:
    """One, operators, milliseconds at the peak, milliseconds at the bandwidth; [cases, 4]."""
    return np.array([[1.0, case.work.operators, case.compute_ms, case.memory_ms] for case in cases])


def _features(cases: Sequence[Case]) -> Array:
    """Logarithms, [cases, 4]."""
    rows = []
    for case in cases:
        flops = max(case.work.flops * case.batch, 1.0)
        intensity = (case.compute_ms + _SMALL) / (case.memory_ms + _SMALL)
        rows.append([flops, flops / max(case.work.operators, 1.0), intensity, float(case.batch)])
    logs: Array = np.log(np.array(rows))
    return logs

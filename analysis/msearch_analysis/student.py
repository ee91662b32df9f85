"""Quantiles of Student's t distribution, for intervals over few runs, without SciPy."""

from __future__ import annotations

import math

_STEPS = 500
_TINY = 1e-300


def student_quantile(probability: float, freedom: float) -> float:
    """The t with P(T <= t) = `probability` for `freedom` degrees of freedom (need not be whole).

    Bisection on the distribution function, F(t) = 1 - I(v / (v + t^2); v/2, 1/2) / 2 for t >= 0 (DLMF 8.17).

    Raises:
        ValueError: the probability is not inside of (0, 1), or the degrees of freedom are not above 0.
    """
    if not 0 < probability < 1 or not freedom > 0:
        raise ValueError(f"no quantile at {probability!r} for {freedom!r} degrees of freedom")
    if probability < 0.5:
        return -student_quantile(1 - probability, freedom)
    low, high = 0.0, 1.0
    while _distribution(high, freedom) < probability:
        low, high = high, high * 2
    while high - low > 1e-12 * max(high, 1.0):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        if _distribution(middle, freedom) < probability:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _distribution(t: float, freedom: float) -> float:
    """P(T <= t) for t >= 0."""
    return 1 - _incomplete_beta(freedom / (freedom + t * t), freedom / 2, 0.5) / 2


def _incomplete_beta(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function I(x; a, b) by its continued fraction (DLMF 8.17.22)."""
    if x <= 0 or x >= 1:
        return 0.0 if x <= 0 else 1.0
    if x > (a + 1) / (a + b + 2):
        return 1 - _incomplete_beta(1 - x, b, a)
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)) / a
    return front / _fraction(x, a, b)


def _fraction(x: float, a: float, b: float) -> float:
    """1 + d1/(1 + d2/(1 + ...)) by the modified algorithm of Lentz."""
    value, c, d = 1.0, 1.0, 0.0
    for step in range(1, _STEPS):
        half = step // 2
        if step % 2:
            term = -(a + half) * (a + b + half) * x / ((a + 2 * half) * (a + 2 * half + 1))
        else:
            term = half * (b - half) * x / ((a + 2 * half - 1) * (a + 2 * half))
        d = 1 / _away_from_zero(1 + term * d)
        c = _away_from_zero(1 + term / c)
        value *= c * d
        if abs(c * d - 1) < 1e-15:
            break
    return value


def _away_from_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY

"""Quantiles of the beta and of Student's t distribution, without scipy, which an agent need not have."""

from __future__ import annotations

import math

_TINY = 1e-300
_STEPS = 300


def incomplete_beta(a: float, b: float, x: float) -> float:
    """The regularised incomplete beta function I_x(a, b): the probability that Beta(a, b) is at most x.

    By its continued fraction, evaluated with Lentz's method (DLMF 8.17.22; Press et al., Numerical Recipes, 6.4).
    """
    if x <= 0.0:
        return 0.0
    if x >= 1.0:
        return 1.0
    if x > (a + 1) / (a + b + 2):  # where the fraction converges slowly its mirror image converges fast
        return 1.0 - incomplete_beta(b, a, 1.0 - x)
    log_front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    fraction = c = 1.0
    d = 0.0
    for step in range(_STEPS):
        m = step // 2
        if step == 0:
            term = 1.0
        elif step % 2 == 0:
            term = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        else:
            term = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        d = 1.0 / _off_zero(1.0 + term * d)
        c = _off_zero(1.0 + term / c)
        fraction *= c * d
        if step > 0 and abs(c * d - 1.0) < 1e-15:
            break
    return math.exp(log_front) * (fraction - 1.0) / a


def beta_quantile(probability: float, a: float, b: float) -> float:
    """The x with I_x(a, b) = probability, to about 1e-15, by bisection."""
    low, high = 0.0, 1.0
    for _ in range(100):
        middle = (low + high) / 2
        if incomplete_beta(a, b, middle) < probability:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def student_t_quantile(probability: float, degrees: float) -> float:
    """The t below which Student's distribution with `degrees` of freedom has `probability`, for one of at least 1/2.

    P(|T| > t) = I_x(degrees / 2, 1 / 2) with x = degrees / (degrees + t²), solved for t.
    """
    x = beta_quantile(2.0 * (1.0 - probability), degrees / 2, 0.5)
    return math.sqrt(degrees * (1.0 - x) / x)


def _off_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY

"""Binomial and Student t probabilities from the regularised incomplete beta function, without SciPy.

I_x(a, b) by its continued fraction, modified Lentz algorithm (Numerical Recipes, 3rd ed., section 6.4)
P(Binomial(n, p) <= k) = I_{1-p}(n - k, k + 1)
P(T_v <= t) = 1 - I_{v/(v+t^2)}(v/2, 1/2) / 2,  t >= 0

The agent judges runs and variants by them, and `significance` compares profiles: both give the same answer.
"""

from __future__ import annotations

import math

_TINY = 1e-300
_EPSILON = 1e-15


def incomplete_beta(a: float, b: float, x: float) -> float:
    """Regularised incomplete beta function I_x(a, b); a, b > 0, 0 <= x <= 1. Relative error about 1e-12."""
    if not 0.0 <= x <= 1.0 or a <= 0 or b <= 0:
        raise ValueError(f"incomplete beta needs a, b > 0 and x in [0, 1], got a={a}, b={b}, x={x}")
    if x in (0.0, 1.0):
        return x
    log_front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    # The fraction converges fast below the mean of the distribution; above it, by symmetry, for the other tail.
    if x < (a + 1) / (a + b + 2):
        return math.exp(log_front) * _continued_fraction(a, b, x) / a
    return 1.0 - math.exp(log_front) * _continued_fraction(b, a, 1.0 - x) / b


def _continued_fraction(a: float, b: float, x: float) -> float:
    c = 1.0
    d = 1.0 / _away_from_zero(1.0 - (a + b) * x / (a + 1.0))
    result = d
    # Of the order of sqrt(max(a, b)) steps are needed; the bound is far above that.
    for m in range(1, 1000 + 20 * math.isqrt(int(max(a, b)) + 1)):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for numerator in (even, odd):
            d = 1.0 / _away_from_zero(1.0 + numerator * d)
            c = _away_from_zero(1.0 + numerator / c)
            step = c * d
            result *= step
        if abs(step - 1.0) < _EPSILON:
            break
    return result


def _away_from_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY


def binomial_cdf(successes: int, trials: int, probability: float) -> float:
    """P(at most `successes` in `trials` independent trials of that probability)."""
    if successes < 0:
        return 0.0
    if successes >= trials:
        return 1.0
    return incomplete_beta(trials - successes, successes + 1, 1.0 - probability)


def student_t_cdf(value: float, degrees: float) -> float:
    """P(T <= value) for Student's t; `degrees` of freedom > 0, not necessarily whole (Welch)."""
    tail = 0.5 * incomplete_beta(degrees / 2, 0.5, degrees / (degrees + value * value))
    return 1.0 - tail if value >= 0 else tail


def student_t_quantile(probability: float, degrees: float) -> float:
    """The t below which lies that probability, 0 < probability < 1, by bisection to 1e-12 relative."""
    if not 0.0 < probability < 1.0 or degrees <= 0:
        raise ValueError(f"needs 0 < probability < 1 and degrees > 0, got {probability} and {degrees}")
    if probability < 0.5:
        return -student_t_quantile(1.0 - probability, degrees)
    low, high = 0.0, 1.0
    while student_t_cdf(high, degrees) < probability:
        low, high = high, high * 2
    while high - low > 1e-12 * high:
        middle = (low + high) / 2
        if middle in (low, high):
            break
        if student_t_cdf(middle, degrees) < probability:
            low = middle
        else:
            high = middle
    return (low + high) / 2

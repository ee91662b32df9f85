"""What queueing theory says a single server must show: the yardstick of the measuring instrument.

Poisson arrivals at rate l, service at rate m = 1/D, utilisation r = l/m < 1, first come first served. Times in seconds.

    M/M/1  response is exponential: quantile_q = -ln(1 - q) / (m - l), mean 1/(m - l)      (Kleinrock 1975, 3.2)
           P(wait > t) = r exp(-(m - l) t)
    M/D/1  mean wait = r D / (2 (1 - r))                                           (Pollaczek & Khinchine)
           P(wait <= t) = exp(-l (kD - t)) sum_{j<k} Q_{k-1-j} (l (kD - t))^j / j!,  k = floor(t/D) + 1
           with Q_i the probability of at most i customers waiting               (Franx 2001; all terms positive)
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import accumulate


def _utilisation(rate_per_s: float, service_s: float) -> float:
    utilisation = rate_per_s * service_s
    if not 0.0 < utilisation < 1.0:
        raise ValueError(f"a queue in equilibrium needs 0 < rate x service time < 1, got {utilisation:g}")
    return utilisation


def mm1_mean_response(rate_per_s: float, mean_service_s: float) -> float:
    """Mean response time of M/M/1. Raises ValueError unless 0 < utilisation < 1, as do all functions here."""
    return mean_service_s / (1.0 - _utilisation(rate_per_s, mean_service_s))


def mm1_response_quantile(rate_per_s: float, mean_service_s: float, share: float) -> float:
    """The response time that this share of requests doesn't exceed, M/M/1."""
    return -math.log1p(-share) * mm1_mean_response(rate_per_s, mean_service_s)


def mm1_wait_cdf(rate_per_s: float, mean_service_s: float, wait_s: float) -> float:
    """P(wait <= wait_s) in M/M/1."""
    utilisation = _utilisation(rate_per_s, mean_service_s)
    return 1.0 - utilisation * math.exp(-wait_s / mm1_mean_response(rate_per_s, mean_service_s))


def md1_mean_wait(rate_per_s: float, service_s: float) -> float:
    """Mean waiting time of M/D/1."""
    utilisation = _utilisation(rate_per_s, service_s)
    return utilisation * service_s / (2.0 * (1.0 - utilisation))


def md1_mean_response(rate_per_s: float, service_s: float) -> float:
    """Mean response time of M/D/1."""
    return md1_mean_wait(rate_per_s, service_s) + service_s


def md1_wait_cdf(rate_per_s: float, service_s: float, wait_s: float) -> float:
    """P(wait <= wait_s) in M/D/1."""
    if wait_s < 0:
        return 0.0
    utilisation = _utilisation(rate_per_s, service_s)
    steps = math.floor(wait_s / service_s) + 1
    # Waiting <= i means in the system <= i + 1.
    waiting = list(accumulate(_md1_customers(utilisation, steps + 1)))[1:]
    mean = rate_per_s * (steps * service_s - wait_s)
    total, term = 0.0, math.exp(-mean)
    for j in range(steps):
        total += waiting[steps - 1 - j] * term
        term *= mean / (j + 1)
    return min(total, 1.0)


def md1_response_quantile(rate_per_s: float, service_s: float, share: float) -> float:
    """The response time that this share of requests doesn't exceed, M/D/1; by bisection to 1e-9 of it."""
    return service_s + _quantile(lambda wait: md1_wait_cdf(rate_per_s, service_s, wait), share, service_s)


def _md1_customers(utilisation: float, most: int) -> list[float]:
    """P(n in the system), n = 0..most: flow across each cut balances (no subtraction, so nothing cancels).

    p_j a_0 = p_0 P(A >= j) + sum_{0<i<j} p_i P(A >= j - i + 1),  A ~ Poisson(utilisation) arrivals during a service
    """
    chances = [math.exp(-utilisation)]
    for k in range(1, most + 2):
        chances.append(chances[-1] * utilisation / k)
    tails = [1.0]
    for chance in chances:
        tails.append(max(tails[-1] - chance, 0.0))
    customers = [1.0 - utilisation]
    for j in range(1, most + 1):
        flow = customers[0] * tails[j] + sum(customers[i] * tails[j - i + 1] for i in range(1, j))
        customers.append(flow / chances[0])
    return customers


def _quantile(cdf: Callable[[float], float], share: float, scale: float) -> float:
    if cdf(0.0) >= share:
        return 0.0
    low, high = 0.0, scale
    while cdf(high) < share:
        low, high = high, high * 2
    while high - low > 1e-9 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if cdf(middle) < share else (low, middle)
    return (low + high) / 2

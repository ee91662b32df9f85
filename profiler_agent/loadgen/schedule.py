"""The complete schedule of an open-loop run, drawn before it starts, so that the target cannot influence it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from profiler_agent.errors import InvalidLoad
from profiler_agent.loadgen.arrivals import Wish, check_parameters, find_arrival
from profiler_agent.loadgen.arrivals.base import IMPOSSIBLE, LARGEST_RATE_PER_S
from profiler_agent.work import Load

MOST_REQUESTS = 5_000_000
TRACE = "trace"
"""The pattern whose times are given, so that neither rate nor duration matter."""


@dataclass(frozen=True, eq=False)
class Schedule:
    """When requests are due, in nanoseconds from the start, ascending [n], and which sample each asks for [n].

    `digest` is the SHA-256 of both: equal digests, equal load.
    """

    offsets_ns: NDArray[np.int64]
    samples: NDArray[np.int32]
    digest: str
    seed: int

    @property
    def count(self) -> int:
        """Number of requests."""
        return int(self.offsets_ns.size)


def draw_schedule(load: Load, *, duration_s: float, min_queries: int, pool: int, seed: int) -> Schedule:
    """Draws arrivals for at least `duration_s` and at least `min_queries`, whichever is longer.

    Args:
        load: of the scenario server.
        duration_s: least time from the first to the last arrival, but for chance.
        min_queries: least number of requests; a trace has as many as it has.
        pool: number of distinct samples; each comes once before any comes again.
        seed: the same seed gives the same schedule.

    Raises:
        InvalidLoad: an impossible rate, an unknown pattern, a parameter out of range, too many requests.
    """
    rng = np.random.default_rng(seed)
    seconds = _draw(load, duration_s, min_queries, rng)
    offsets_ns = np.round(seconds * 1e9).astype(np.int64)
    return _finish(offsets_ns, draw_samples(offsets_ns.size, pool, rng), seed)


def draw_samples(count: int, pool: int, rng: np.random.Generator) -> NDArray[np.int32]:
    """Samples in random order, each of the pool once before any comes again. [count]

    Raises:
        InvalidLoad: an empty pool.
    """
    if pool < 1:
        raise InvalidLoad("there are no samples to send")
    rounds = np.tile(np.arange(pool, dtype=np.int32), (-(-count // pool), 1))
    return rng.permuted(rounds, axis=1).ravel()[:count]


def _draw(load: Load, duration_s: float, min_queries: int, rng: np.random.Generator) -> NDArray[np.float64]:
    arrival = find_arrival(load.arrival)
    values = check_parameters(arrival, load.parameters)
    if load.arrival == TRACE:
        seconds = arrival.draw(Wish(load.rate_per_s, duration_s, values, rng, load.trace_s))
        _check_count(seconds.size, f"a trace of {seconds.size:,} arrivals is too long")
        return seconds
    rate = load.rate_per_s
    if not 0.0 < rate <= LARGEST_RATE_PER_S:
        raise InvalidLoad(f"a rate of {rate:g} requests a second cannot be issued; {IMPOSSIBLE}")
    # A pattern may send fewer than the rate says (progressive), so the span grows until there are enough.
    span_s = max(duration_s, min_queries / rate)
    for _ in range(32):
        expected = span_s * rate
        _check_count(expected, f"{rate:g} requests a second for {span_s:.4g} s are {expected:,.0f} requests")
        seconds = arrival.draw(Wish(rate, span_s, values, rng))
        _check_count(seconds.size, f"the pattern {load.arrival} at {rate:g}/s for {span_s:.4g} s is too long")
        if seconds.size >= max(min_queries, 1):
            return seconds
        span_s *= min(max(1.1, min_queries / max(seconds.size, 1)), 10.0)
    raise InvalidLoad(f"the arrival pattern {load.arrival} does not give {min_queries} requests")


def _check_count(count: float, problem: str) -> None:
    if count > MOST_REQUESTS:
        raise InvalidLoad(f"{problem}; at most {MOST_REQUESTS:,} requests are drawn")


def _finish(offsets_ns: NDArray[np.int64], samples: NDArray[np.int32], seed: int) -> Schedule:
    digest = hashlib.sha256(offsets_ns.astype("<i8").tobytes() + samples.astype("<i4").tobytes()).hexdigest()
    return Schedule(offsets_ns, samples, digest, seed)

"""The complete schedule of an open-loop run, drawn before it starts, so that the target cannot influence it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from profiler_agent.errors import InvalidLoad
from profiler_agent.loadgen.arrivals import check_parameters, find_arrival
from profiler_agent.work import Load

MOST_REQUESTS = 5_000_000
LARGEST_RATE_PER_S = 200_000.0
"""Beyond this the issuing thread of any host would be late with every request."""


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
    seconds = _trace(load) if load.arrival == "trace" else _draw(load, duration_s, min_queries, rng)
    offsets_ns = np.round(seconds * 1e9).astype(np.int64)
    return _finish(offsets_ns, draw_samples(offsets_ns.size, pool, rng), seed)


def draw_samples(count: int, pool: int, rng: np.random.Generator) -> NDArray[np.int32]:
    """Samples in random order, each of the pool once before any comes again."""
    rounds = [rng.permutation(pool) for _ in range(-(-count // max(pool, 1)))]
    return np.concatenate([np.empty(0, np.int64), *rounds])[:count].astype(np.int32)


def _draw(load: Load, duration_s: float, min_queries: int, rng: np.random.Generator) -> NDArray[np.float64]:
    rate = load.rate_per_s
    if not 0.0 < rate <= LARGEST_RATE_PER_S:
        raise InvalidLoad(f"a rate of {rate:g} requests a second cannot be issued; from above 0 to 200,000 can")
    arrival = find_arrival(load.arrival)
    values = check_parameters(arrival, load.parameters)
    # A pattern may send fewer than the rate says (progressive), so the span grows until there are enough.
    span_s = max(duration_s, min_queries / rate)
    for _ in range(32):
        if span_s * rate > MOST_REQUESTS:
            raise InvalidLoad(
                f"{rate:g} requests a second for {span_s:.4g} s are {span_s * rate:,.0f} requests; at most "
                f"{MOST_REQUESTS:,} are drawn"
            )
        seconds = arrival.draw(rate, span_s, values, rng)
        if seconds.size >= max(min_queries, 1):
            return seconds
        span_s *= 1.1
    raise InvalidLoad(f"the arrival pattern {load.arrival} does not give {min_queries} requests")


def _trace(load: Load) -> NDArray[np.float64]:
    seconds = np.asarray(load.trace_s, np.float64)
    if seconds.size == 0:
        raise InvalidLoad("the arrival pattern trace needs arrival times (trace_s)")
    if seconds.size > MOST_REQUESTS:
        raise InvalidLoad(f"a trace of {seconds.size:,} arrivals is too long; at most {MOST_REQUESTS:,} are taken")
    if not np.isfinite(seconds).all() or seconds[0] < 0 or (np.diff(seconds) < 0).any():
        raise InvalidLoad("the arrival times of a trace must be finite, not negative, and ascending")
    return seconds


def _finish(offsets_ns: NDArray[np.int64], samples: NDArray[np.int32], seed: int) -> Schedule:
    digest = hashlib.sha256(offsets_ns.astype("<i8").tobytes() + samples.astype("<i4").tobytes()).hexdigest()
    return Schedule(offsets_ns, samples, digest, seed)

"""What an arrival pattern is: one file each beside this one, with a module-level `ARRIVAL`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from profiler_agent.errors import InvalidLoad

Seconds = NDArray[np.float64]

LARGEST_RATE_PER_S = 200_000.0
"""Beyond this the issuing thread of any host would be late with every request."""

IMPOSSIBLE = f"from above 0 to {LARGEST_RATE_PER_S:,.0f} can"
MOST_DRAWN = 50_000_000
"""Arrivals before thinning; more would not fit into memory."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a pattern: what it is without one being given, and the range it must lie in."""

    default: float
    lowest: float
    highest: float
    meaning: str
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked of a pattern: a rate, a span of time, all its parameters, chance; times only for a trace."""

    rate_per_s: float
    span_s: float
    values: Mapping[str, float]
    rng: np.random.Generator
    trace_s: Sequence[float] = ()


class Arrival(Protocol):
    """Draws when requests arrive."""

    @property
    def name(self) -> str: ...
    @property
    def parameters(self) -> Mapping[str, Parameter]: ...

    def draw(self, wish: Wish) -> Seconds:
        """Ascending arrival times in [0, span), at the rate on average unless the pattern says otherwise.

        Equal wishes give equal times, so all chance comes from `wish.rng`.
        """


def uniform_count(rate_per_s: float, span_s: float) -> int:
    """How many gaps to draw so that their sum is almost surely beyond the span; whoever draws still cuts.

    Raises:
        InvalidLoad: too many to draw.
    """
    mean = rate_per_s * span_s
    if mean > MOST_DRAWN:
        raise InvalidLoad(f"{rate_per_s:g} requests a second for {span_s:.4g} s are too many to draw")
    return int(mean + 8 * mean**0.5 + 16)


def thinned(times: Seconds, keep: Seconds, rng: np.random.Generator) -> Seconds:
    """Each arrival kept with its probability: a Poisson process of a varying rate (Lewis & Shedler 1979)."""
    return times[rng.random(times.size) < keep]


def poisson(rate_per_s: float, span_s: float, rng: np.random.Generator) -> Seconds:
    """Arrivals with exponential gaps."""
    times = np.cumsum(rng.exponential(1.0 / rate_per_s, uniform_count(rate_per_s, span_s)))
    while times[-1] < span_s:
        more = np.cumsum(rng.exponential(1.0 / rate_per_s, uniform_count(rate_per_s, span_s)))
        times = np.concatenate([times, times[-1] + more])
    return times[times < span_s]

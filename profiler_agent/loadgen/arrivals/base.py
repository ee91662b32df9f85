"""What an arrival pattern is: one file each beside this one, with a module-level `ARRIVAL`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Seconds = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a pattern: what it is without one being given, and the range it must lie in."""

    default: float
    lowest: float
    highest: float
    meaning: str


class Arrival(Protocol):
    """Draws when requests arrive."""

    @property
    def name(self) -> str: ...
    @property
    def parameters(self) -> Mapping[str, Parameter]: ...

    def draw(self, rate_per_s: float, span_s: float, values: Mapping[str, float], rng: np.random.Generator) -> Seconds:
        """Ascending arrival times in [0, span_s), at `rate_per_s` on average. All parameters are in `values`."""


def uniform_count(rate_per_s: float, span_s: float) -> int:
    """How many gaps to draw so that their sum is almost surely beyond the span; whoever draws still cuts."""
    mean = rate_per_s * span_s
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

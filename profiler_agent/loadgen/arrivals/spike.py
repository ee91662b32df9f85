"""Poisson at the rate, and at a multiple of it within one window; drawn at the highest rate and thinned."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from profiler_agent.errors import InvalidLoad
from profiler_agent.loadgen.arrivals.base import (
    IMPOSSIBLE,
    LARGEST_RATE_PER_S,
    Parameter,
    Seconds,
    Wish,
    poisson,
    thinned,
)


class Spike:
    """See the module."""

    name = "spike"
    parameters: Mapping[str, Parameter] = {
        "factor": Parameter(5.0, 1.0, 1000.0, "rate within the window over the rate outside"),
        "at": Parameter(0.5, 0.0, 1.0, "where the window begins, as a share of the run"),
        "width": Parameter(0.1, 0.0, 1.0, "how long it is, as a share of the run"),
    }

    def draw(self, wish: Wish) -> Seconds:
        """See `Arrival.draw`. The rate outside the window is `rate_per_s`, so the mean is above it.

        Raises:
            InvalidLoad: the rate within is more than can be issued.
        """
        highest = wish.rate_per_s * wish.values["factor"]
        if highest > LARGEST_RATE_PER_S:
            raise InvalidLoad(f"a spike to {highest:,.0f} requests a second cannot be issued; {IMPOSSIBLE}")
        times = poisson(highest, wish.span_s, wish.rng)
        begin = wish.values["at"] * wish.span_s
        inside = (times >= begin) & (times < begin + wish.values["width"] * wish.span_s)
        return thinned(times, np.where(inside, 1.0, 1.0 / wish.values["factor"]), wish.rng)


ARRIVAL = Spike()

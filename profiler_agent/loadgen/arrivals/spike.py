"""Poisson at the rate, and at a multiple of it within one window; drawn at the highest rate and thinned."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from profiler_agent.loadgen.arrivals.base import Parameter, Seconds, poisson, thinned


class Spike:
    """See the module."""

    name = "spike"
    parameters: Mapping[str, Parameter] = {
        "factor": Parameter(5.0, 1.0, 1000.0, "rate within the window over the rate outside"),
        "at": Parameter(0.5, 0.0, 1.0, "where the window begins, as a share of the run"),
        "width": Parameter(0.1, 0.0, 1.0, "how long it is, as a share of the run"),
    }

    def draw(self, rate_per_s: float, span_s: float, values: Mapping[str, float], rng: np.random.Generator) -> Seconds:
        """See `Arrival.draw`. The rate outside the window is `rate_per_s`, so the mean is above it."""
        times = poisson(rate_per_s * values["factor"], span_s, rng)
        begin = values["at"] * span_s
        inside = (times >= begin) & (times < begin + values["width"] * span_s)
        return thinned(times, np.where(inside, 1.0, 1.0 / values["factor"]), rng)


ARRIVAL = Spike()

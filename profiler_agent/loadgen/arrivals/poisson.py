"""Independent arrivals: exponential gaps of mean 1 / rate."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from profiler_agent.loadgen.arrivals.base import Parameter, Seconds, poisson


class Poisson:
    """See the module."""

    name = "poisson"
    parameters: Mapping[str, Parameter] = {}

    def draw(self, rate_per_s: float, span_s: float, values: Mapping[str, float], rng: np.random.Generator) -> Seconds:
        """See `Arrival.draw`."""
        return poisson(rate_per_s, span_s, rng)


ARRIVAL = Poisson()

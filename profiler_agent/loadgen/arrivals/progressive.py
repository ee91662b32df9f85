"""Poisson whose rate climbs in equal steps up to the rate: how latency grows with utilisation, in one run."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from profiler_agent.loadgen.arrivals.base import Parameter, Seconds, poisson, thinned


class Progressive:
    """See the module."""

    name = "progressive"
    parameters: Mapping[str, Parameter] = {
        "from": Parameter(0.1, 0.01, 1.0, "rate of the first step as a share of the last"),
        "steps": Parameter(10, 2, 1000, "number of steps"),
    }

    def draw(self, rate_per_s: float, span_s: float, values: Mapping[str, float], rng: np.random.Generator) -> Seconds:
        """See `Arrival.draw`. The last step has `rate_per_s`; the mean over the run is (1 + from) / 2 of it."""
        times = poisson(rate_per_s, span_s, rng)
        steps = int(values["steps"])
        step = np.minimum((times / span_s * steps).astype(int), steps - 1)
        return thinned(times, np.linspace(values["from"], 1.0, steps)[step], rng)


ARRIVAL = Progressive()

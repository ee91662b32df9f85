"""A rate that swings like a day: rate x (1 + amplitude x sin(2 pi t / period)); thinned from the highest."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from profiler_agent.loadgen.arrivals.base import Parameter, Seconds, poisson, thinned


class Diurnal:
    """See the module."""

    name = "diurnal"
    parameters: Mapping[str, Parameter] = {
        "amplitude": Parameter(0.8, 0.0, 1.0, "swing of the rate as a share of it"),
        "periods": Parameter(1.0, 0.1, 1000.0, "swings within the run"),
    }

    def draw(self, rate_per_s: float, span_s: float, values: Mapping[str, float], rng: np.random.Generator) -> Seconds:
        """See `Arrival.draw`."""
        highest = 1.0 + values["amplitude"]
        times = poisson(rate_per_s * highest, span_s, rng)
        swing = 1.0 + values["amplitude"] * np.sin(2 * np.pi * values["periods"] * times / span_s)
        return thinned(times, swing / highest, rng)


ARRIVAL = Diurnal()

"""A rate that swings like a day: rate x (1 + amplitude x sin(2 pi t / period)); thinned from the highest rate."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from profiler_agent.loadgen.arrivals.base import Parameter, Seconds, Wish, poisson, thinned


class Diurnal:
    """See the module."""

    name = "diurnal"
    parameters: Mapping[str, Parameter] = {
        "amplitude": Parameter(0.8, 0.0, 1.0, "swing of the rate as a share of it"),
        "periods": Parameter(1.0, 0.1, 1000.0, "swings within the run"),
    }

    def draw(self, wish: Wish) -> Seconds:
        """See `Arrival.draw`. The period is span / periods."""
        highest = 1.0 + wish.values["amplitude"]
        times = poisson(wish.rate_per_s * highest, wish.span_s, wish.rng)
        swing = 1.0 + wish.values["amplitude"] * np.sin(2 * np.pi * wish.values["periods"] * times / wish.span_s)
        return thinned(times, swing / highest, wish.rng)


ARRIVAL = Diurnal()

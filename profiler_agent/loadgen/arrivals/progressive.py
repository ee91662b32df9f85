"""Poisson whose rate climbs in equal steps to a target utilisation: how latency grows with it, in one run.

The rate asked for is what the target can do, its throughput; drawn before the start, so the target cannot slow it down.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from profiler_agent.loadgen.arrivals.base import Parameter, Seconds, Wish, poisson, thinned


class Progressive:
    """See the module."""

    name = "progressive"
    parameters: Mapping[str, Parameter] = {
        "utilisation": Parameter(0.9, 0.01, 2.0, "rate of the last step as a share of the asked one"),
        "from": Parameter(0.1, 0.01, 1.0, "rate of the first step as a share of the last"),
        "steps": Parameter(10, 2, 1000, "number of steps", whole=True),
    }

    def draw(self, wish: Wish) -> Seconds:
        """See `Arrival.draw`. The mean over the run is utilisation x (1 + from) / 2 of the asked rate."""
        values = wish.values
        times = poisson(wish.rate_per_s * values["utilisation"], wish.span_s, wish.rng)
        steps = int(values["steps"])
        step = np.minimum((times / wish.span_s * steps).astype(int), steps - 1)
        return thinned(times, np.linspace(values["from"], 1.0, steps)[step], wish.rng)


ARRIVAL = Progressive()

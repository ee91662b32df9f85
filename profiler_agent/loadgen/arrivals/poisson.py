"""Independent arrivals: exponential gaps of mean 1 / rate."""

from __future__ import annotations

from collections.abc import Mapping

from profiler_agent.loadgen.arrivals.base import Parameter, Seconds, Wish, poisson


class Poisson:
    """See the module."""

    name = "poisson"
    parameters: Mapping[str, Parameter] = {}

    def draw(self, wish: Wish) -> Seconds:
        """See `Arrival.draw`."""
        return poisson(wish.rate_per_s, wish.span_s, wish.rng)


ARRIVAL = Poisson()

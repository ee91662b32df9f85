"""Bursty or even arrivals: gamma gaps of mean 1 / rate and a coefficient of variation cv; cv 1 is Poisson."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from profiler_agent.loadgen.arrivals.base import Parameter, Seconds, Wish, uniform_count


class Gamma:
    """See the module."""

    name = "gamma"
    parameters: Mapping[str, Parameter] = {
        "cv": Parameter(2.0, 0.05, 20.0, "standard deviation of the gaps over their mean"),
    }

    def draw(self, wish: Wish) -> Seconds:
        """See `Arrival.draw`. Shape 1 / cv^2, scale cv^2 / rate."""
        shape = 1.0 / wish.values["cv"] ** 2
        times = np.empty(0)
        while times.size == 0 or times[-1] < wish.span_s:
            gaps = wish.rng.gamma(shape, 1.0 / (shape * wish.rate_per_s), uniform_count(wish.rate_per_s, wish.span_s))
            times = np.concatenate([times, (times[-1] if times.size else 0.0) + np.cumsum(gaps)])
        return times[times < wish.span_s]


ARRIVAL = Gamma()

"""Bursts of several requests at once, evenly apart, at the rate on average."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from profiler_agent.loadgen.arrivals.base import Parameter, Seconds


class Burst:
    """See the module."""

    name = "burst"
    parameters: Mapping[str, Parameter] = {
        "size": Parameter(10, 1, 10000, "requests of a burst"),
    }

    def draw(self, rate_per_s: float, span_s: float, values: Mapping[str, float], rng: np.random.Generator) -> Seconds:
        """See `Arrival.draw`. Bursts come every size / rate seconds."""
        size = int(values["size"])
        bursts = int(np.ceil(rate_per_s * span_s / size))
        return np.repeat(np.arange(bursts) * size / rate_per_s, size)


ARRIVAL = Burst()

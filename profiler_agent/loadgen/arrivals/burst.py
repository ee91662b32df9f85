"""Bursts of several requests, evenly apart, at the rate on average; each at once, or spread over a part of its time."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from profiler_agent.loadgen.arrivals.base import Parameter, Seconds, Wish


class Burst:
    """See the module."""

    name = "burst"
    parameters: Mapping[str, Parameter] = {
        "size": Parameter(10, 1, 10000, "requests of a burst", whole=True),
        "pause": Parameter(1.0, 0.0, 1.0, "silent share of the time between the beginnings of bursts"),
    }

    def draw(self, wish: Wish) -> Seconds:
        """See `Arrival.draw`. Bursts begin every size / rate seconds; within one, gaps are (1 - pause) / rate."""
        size = int(wish.values["size"])
        bursts = int(np.ceil(wish.rate_per_s * wish.span_s / size))
        within = np.arange(size) * (1.0 - wish.values["pause"]) / wish.rate_per_s
        times: Seconds = (np.arange(bursts)[:, None] * size / wish.rate_per_s + within).ravel()
        return times[times < wish.span_s]


ARRIVAL = Burst()

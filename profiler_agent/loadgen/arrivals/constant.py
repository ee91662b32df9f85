"""Even arrivals: every gap is 1 / rate."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from profiler_agent.loadgen.arrivals.base import Parameter, Seconds


class Constant:
    """See the module."""

    name = "constant"
    parameters: Mapping[str, Parameter] = {}

    def draw(self, rate_per_s: float, span_s: float, values: Mapping[str, float], rng: np.random.Generator) -> Seconds:
        """See `Arrival.draw`."""
        return np.arange(int(np.ceil(rate_per_s * span_s))) / rate_per_s


ARRIVAL = Constant()

"""Even arrivals: every gap is 1 / rate."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from profiler_agent.loadgen.arrivals.base import Parameter, Seconds, Wish


class Constant:
    """See the module."""

    name = "constant"
    parameters: Mapping[str, Parameter] = {}

    def draw(self, wish: Wish) -> Seconds:
        """See `Arrival.draw`."""
        times: Seconds = np.arange(int(np.ceil(wish.rate_per_s * wish.span_s))) / wish.rate_per_s
        return times[times < wish.span_s]


ARRIVAL = Constant()

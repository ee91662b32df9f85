"""Arrivals at given times, from a log for instance; once, as they are, whatever rate and duration are asked for."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from profiler_agent.errors import InvalidLoad
from profiler_agent.loadgen.arrivals.base import Parameter, Seconds, Wish


class Trace:
    """See the module."""

    name = "trace"
    parameters: Mapping[str, Parameter] = {}

    def draw(self, wish: Wish) -> Seconds:
        """The times of the trace.

        Raises:
            InvalidLoad: there are none, or they are not finite, negative, or not in order.
        """
        seconds = np.asarray(wish.trace_s, np.float64)
        if seconds.size == 0:
            raise InvalidLoad("the arrival pattern trace needs arrival times (trace_s)")
        if not np.isfinite(seconds).all() or seconds[0] < 0 or (np.diff(seconds) < 0).any():
            raise InvalidLoad("the arrival times of a trace must be finite, not negative, and ascending")
        return seconds


ARRIVAL = Trace()

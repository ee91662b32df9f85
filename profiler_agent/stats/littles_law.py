"""Little's law, L = lambda W, as a check on a run.

Over a whole run the law is an identity: the integral of the number in flight is the sum of the latencies, whatever they
are, so a check of that could not fail. What is checked instead can:

open loop    In the middle 80 % of the run: L by counting arrivals and departures as events, clipped to that window;
             lambda W from the requests that ended in it. They differ by what was in flight at the window's edges,
             so they part when the backlog grows, when the run is short against its latencies, or when a stall sits at
             an edge: when the run shows no equilibrium, and its mean latency is not one that a longer run would have.
closed loop  k clients are always either waiting for an answer or between two requests, so lambda (W + think time) = k
             with k known beforehand. lambda W well below k means that the clients spent the time elsewhere, and the
             throughput is the generator's rather than the target's; above k, that the clocks are wrong.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from profiler_agent.stats.timeline import Timeline

TOLERANCE = 0.10
_EDGE = 0.10
_FEWEST = 30


@dataclass(frozen=True, slots=True)
class LittlesLaw:
    """Both sides: the number in flight, counted or known, and throughput times mean latency."""

    in_flight: float
    rate_times_latency: float

    @property
    def holds(self) -> bool:
        """Whether they agree within the tolerance."""
        return abs(self.in_flight - self.rate_times_latency) <= TOLERANCE * max(self.in_flight, self.rate_times_latency)


def littles_law(run: Timeline, clients: int) -> LittlesLaw | None:
    """Both sides for a run; None where there's nothing to check: all requests at once, or too few of them."""
    if run.all_at_once or run.count < _FEWEST:
        return None
    if run.open_loop:
        return _open(run)
    total = float(run.latency.sum())
    return LittlesLaw(float(clients), total / max(int(run.finished.max()) - run.begin, 1))


def _open(run: Timeline) -> LittlesLaw | None:
    begin, end = run.begin, int(run.scheduled[-1])
    low, high = begin + _EDGE * (end - begin), end - _EDGE * (end - begin)
    ended = (run.finished > low) & (run.finished <= high)
    if high <= low or not ended.any():
        return None
    return LittlesLaw(
        mean_in_flight(run.scheduled, run.finished, low, high), float(run.latency[ended].sum()) / (high - low)
    )


def mean_in_flight(scheduled: object, finished: object, low: float, high: float) -> float:
    """The time average, over the window from `low` to `high`, of the number scheduled and not finished."""
    arrivals = np.asarray(scheduled, np.float64)
    departures = np.asarray(finished, np.float64)
    times = np.concatenate([arrivals, departures])
    steps = np.concatenate([np.ones(arrivals.size), -np.ones(departures.size)])
    order = np.argsort(times, kind="stable")
    # The number in flight after each event holds until the next one.
    numbers = np.cumsum(steps[order])
    edges = np.clip(np.append(times[order], max(high, times.max(initial=high))), low, high)
    return float((numbers * np.diff(edges)).sum() / (high - low))

"""What the policy is compared with: round robin + first come first served, and one queue in order of arrival."""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from msearch_scheduling.simulator.workload import Workload


@dataclass(frozen=True, slots=True)
class Schedule:
    """What came of a workload: when each job started and ended, where, float64[n] and int64[n]."""

    started: NDArray[np.float64]
    finished: NDArray[np.float64]
    agents: NDArray[np.int64]


def round_robin(workload: Workload, speeds: tuple[float, ...]) -> Schedule:
    """Each job goes to the next agent in turn and is served there in order of arrival.

    Where speeds differ the turns are weighted by them, spread smoothly as nginx does: every agent gains its speed in
    credit, the one with most credit takes the job and pays the sum of all speeds.
    """
    total, credit, free = sum(speeds), [0.0] * len(speeds), [0.0] * len(speeds)
    started, finished, agents = (np.zeros(len(workload.sizes)) for _ in range(3))
    for job, (arrival, size) in enumerate(zip(workload.arrivals, workload.sizes, strict=True)):
        credit = [have + speed for have, speed in zip(credit, speeds, strict=True)]
        chosen = max(range(len(speeds)), key=lambda number: (round(credit[number], 9), -number))
        credit[chosen] -= total
        started[job] = max(arrival, free[chosen])
        finished[job] = free[chosen] = started[job] + size / speeds[chosen]
        agents[job] = chosen
    return Schedule(started, finished, agents.astype(np.int64))


def one_queue(workload: Workload, speeds: tuple[float, ...]) -> Schedule:
    """One queue in order of arrival; whichever agent is free first, of equals the fastest, takes the next job."""
    free = [(0.0, -speed, number) for number, speed in enumerate(speeds)]
    heapq.heapify(free)
    started, finished, agents = (np.zeros(len(workload.sizes)) for _ in range(3))
    for job, (arrival, size) in enumerate(zip(workload.arrivals, workload.sizes, strict=True)):
        ready, slowness, number = heapq.heappop(free)
        started[job] = max(arrival, ready)
        finished[job] = started[job] - size / slowness
        agents[job] = number
        heapq.heappush(free, (finished[job], slowness, number))
    return Schedule(started, finished, agents.astype(np.int64))

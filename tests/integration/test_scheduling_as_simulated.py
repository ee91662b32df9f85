"""The service schedules as the simulator says: the same jobs, the same agents, the same starts, event by event."""

from __future__ import annotations

import heapq
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from msearch_scheduling.simulator import Scenario, Settings, Sizes
from msearch_scheduling.simulator.engine import simulate_policy
from msearch_scheduling.simulator.workload import Workload, draw
from msearch_scheduling.trust import Record, Trust
from search_service.domain import jobs as transitions
from search_service.domain.jobs import SizeEstimate
from search_service.domain.ports import Database
from search_service.domain.scheduling import Learned
from search_service.usecases.dispatching import take_job
from search_service.usecases.leases import complete_job
from search_service.usecases.placing import Placer
from tests.catalogue import NOW
from tests.profiling_at_work import AtWork
from tests.profiling_objects import a_profile, a_spec, an_agent, put_agents

KNOWN = Trust(record=Record(count=50), trusted=True)
"""Sizes are known exactly from the start, in both."""


def started_in_service(database: Database, workload: Workload, agents: int) -> np.ndarray:
    """When each job began, in seconds, if agents ask whenever they are idle."""
    at_work = AtWork(database)
    at_work.profiling = replace(at_work.profiling, gone_after=timedelta(days=1))
    names = [f"agent-{number}" for number in range(agents)]
    put_agents(database, *(an_agent(name) for name in names))
    with database.begin() as unit:
        unit.scheduling.lock_learned()
        unit.scheduling.put_learned(Learned(trust=KNOWN))
        unit.commit()
    started = np.full(len(workload.sizes), np.nan)
    events = [(float(time), 1, number, "") for number, time in enumerate(workload.arrivals)]
    running: dict[str, transitions.Job] = {}
    while events:
        now, arrives, number, name = heapq.heappop(events)
        at_work.now = NOW + timedelta(seconds=now)
        if arrives:
            size = float(workload.sizes[number])
            job = transitions.submit(
                f"{number}", a_spec(), max_attempts=1, now=at_work.now, estimate=SizeEstimate(seconds=size)
            )
            with database.begin() as unit:
                unit.jobs.add(Placer(at_work.profiling, unit).place(job))
                unit.commit()
        else:
            complete_job(at_work.profiling, None, running.pop(name).lease, [a_profile("", measurements=())])
        for idle in [name for name in names if name not in running]:
            with database.begin() as unit:
                taken = take_job(at_work.profiling, unit, unit.agents.get(idle))
                unit.commit()
            if taken is not None:
                running[idle] = taken
                started[int(taken.id)] = now
                heapq.heappush(events, (now + float(workload.sizes[int(taken.id)]), 0, int(taken.id), idle))
    return started


@pytest.mark.parametrize(("seed", "load", "sizes"), [(1, 0.9, Sizes.EXPONENTIAL), (2, None, Sizes.LOGNORMAL)])
def test_jobs_start_as_simulated(database: Database, seed: int, load: float | None, sizes: Sizes) -> None:
    drawn = draw(Scenario(jobs=60, load=load, sizes=sizes, speeds=(1.0,) * 3), seed)
    # Microseconds, as times are stored.
    workload = Workload(np.round(drawn.arrivals, 6), np.round(drawn.sizes, 6), np.round(drawn.sizes, 6), drawn.users)
    simulated = simulate_policy(workload, (1.0,) * 3, Settings(trust=KNOWN)).schedule.started
    np.testing.assert_allclose(started_in_service(database, workload, 3), simulated, atol=1e-4)

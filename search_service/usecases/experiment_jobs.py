"""Joins cells into jobs, and reckons when they will be done."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from heapq import heapify, heapreplace

from search_service.domain import jobs as transitions
from search_service.domain.errors import Reason, Unavailable
from search_service.domain.experiments import Cell, Experiment
from search_service.domain.loads import format_load
from search_service.domain.ports import UnitOfWork
from search_service.domain.profiling import Agent, AgentState, JobSpec, Load, Precision, Variant
from search_service.domain.scheduling import needs_of, offers_of
from search_service.usecases.benchmark_plans import spec_for
from search_service.usecases.job_specs import check_spec, needs_model
from search_service.usecases.jobs import DEFAULT_ATTEMPTS
from search_service.usecases.placing import Placer
from search_service.usecases.profiling import Profiling
from search_service.usecases.sizes import reckon_size

MOST_CELLS_A_JOB = 8
"""An agent that is lost costs what one job has measured so far, so jobs are kept small."""

MOST_JOBS_AT_ONCE = 200
"""Jobs that one unit of work adds. On SQLite it keeps all other writers waiting, agents that renew leases too."""

SHORTEST_DEADLINE_S = 900.0
DEADLINE_FACTOR = 5.0
LONGEST_DEADLINE_S = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedJob:
    """A job to submit, and the cells that it measures. `size_s` is its estimate on an agent of speed 1."""

    spec: JobSpec
    model_name: str
    positions: tuple[int, ...]
    size_s: float


Members = Sequence[Sequence[Cell]]
"""The cells of a job, by load."""


def group_cells(cells: Iterable[Cell]) -> list[Members]:
    """The cells of each job, in the order of their first ones.

    The precisions of one variant share a job, because the agent compares each with fp32 in the same job; several loads
    join them up to MOST_CELLS_A_JOB cells.
    """
    groups: dict[tuple[object, ...], dict[str, list[Cell]]] = defaultdict(lambda: defaultdict(list))
    for cell in cells:
        same_job = (
            cell.model_id, cell.model_name, cell.host_class, cell.remote_target,
            replace(cell.variant, precision=Precision.FP32), cell.load.trace_s,
        )  # fmt: skip
        groups[same_job][format_load(cell.load)].append(cell)
    jobs: list[Members] = []
    for by_load in groups.values():
        # Every variant of a job meets every load, so loads share a job only where they ask for the same precisions.
        alike: dict[frozenset[Variant], list[list[Cell]]] = defaultdict(list)
        for found in by_load.values():
            alike[frozenset(cell.variant for cell in found)].append(found)
        for variants, loads in alike.items():
            most = max(1, MOST_CELLS_A_JOB // len(variants))
            jobs += [loads[start : start + most] for start in range(0, len(loads), most)]
    return jobs


def join_cells(
    base: JobSpec, cells: Iterable[Cell], size_of: Callable[[JobSpec], float] = reckon_size
) -> list[PlannedJob]:
    """Jobs that measure these cells and no others. `size_of` estimates the size of one in seconds."""
    return [_job(base, members, size_of) for members in group_cells(cells)]


def _job(base: JobSpec, loads: Members, size_of: Callable[[JobSpec], float]) -> PlannedJob:
    cells = [cell for load in loads for cell in load]
    first = cells[0]
    distinct: dict[str, Load] = {format_load(cell.load): cell.load for cell in cells}
    spec = replace(
        spec_for(base, first),
        variants=tuple(dict.fromkeys(cell.variant for cell in cells)),
        loads=tuple(distinct.values()),
    )
    size_s = size_of(spec)
    deadline_s = min(max(SHORTEST_DEADLINE_S, DEADLINE_FACTOR * size_s), LONGEST_DEADLINE_S)
    return PlannedJob(
        spec=check_spec(replace(spec, deadline_s=deadline_s), "software"),
        model_name=first.model_name,
        positions=tuple(cell.position for cell in cells),
        size_s=size_s,
    )


def add_jobs(
    profiling: Profiling, unit: UnitOfWork, experiment: Experiment, jobs: Iterable[PlannedJob], *, priority: int
) -> dict[int, str]:
    """Adds the jobs to an experiment, and gives the id of its job for each position.

    Raises:
        Unavailable: a canonical model was removed since it was registered for this.
    """
    given: dict[int, str] = {}
    placer = Placer(profiling, unit)
    for planned in jobs:
        if needs_model(planned.spec) and not planned.spec.model_id:
            raise Unavailable(
                f"the model {planned.model_name!r} was removed while its jobs were submitted: try again",
                Reason.STORAGE_UNAVAILABLE,
            )
        job = transitions.submit(
            profiling.new_id("job"),
            planned.spec,
            max_attempts=DEFAULT_ATTEMPTS,
            now=profiling.clock(),
            model_name=planned.model_name if planned.spec.model_id else "",
            priority=priority,
            experiment_id=experiment.id,
            submitted_by=experiment.submitted_by,
        )
        placer.enqueue(job)
        given |= dict.fromkeys(planned.positions, job.id)
    return given


def reckon_duration(
    jobs: Sequence[PlannedJob], agents: Sequence[Agent], now: datetime, gone_after: timedelta
) -> timedelta | None:
    """How long the jobs take on the active agents, if they did nothing else; None where one fits no active agent.

    Longest job first, each to the agent that is free first: within 4/3 of the optimum on equal agents (Graham, Bounds
    on Multiprocessing Timing Anomalies, 1969).
    """
    active = [offers_of(agent) for agent in agents if agent.state(now, gone_after) is AgentState.ACTIVE]
    able: dict[frozenset[str], tuple[int, ...]] = {}
    busy_s = [0.0] * len(active)
    queues: dict[tuple[int, ...], list[tuple[float, int]]] = {}
    for job in sorted(jobs, key=lambda job: -job.size_s):
        needs = needs_of(job.spec)
        if needs not in able:
            able[needs] = tuple(number for number, offers in enumerate(active) if needs <= offers)
        if not able[needs]:
            return None
        queue = queues.setdefault(able[needs], [(busy_s[number], number) for number in able[needs]])
        heapify(queue)
        while queue[0][0] < busy_s[queue[0][1]]:  # another group of agents has loaded it meanwhile
            heapreplace(queue, (busy_s[queue[0][1]], queue[0][1]))
        number = queue[0][1]
        busy_s[number] += job.size_s
        heapreplace(queue, (busy_s[number], number))
    return timedelta(seconds=max(busy_s, default=0.0))

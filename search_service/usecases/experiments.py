"""Use cases of experiments that are there: get, list, look at their cells, cancel, delete."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from msearch_experiments.benchmark import DEFAULT_RETRIES
from search_service.domain.catalog import Page
from search_service.domain.errors import NotFound, PreconditionFailed, Reason
from search_service.domain.experiments import CellState, Experiment, ExperimentState, SeenCell, see_cell, state_of
from search_service.domain.jobs import Job, JobFilter
from search_service.domain.ports import UnitOfWork
from search_service.usecases.experimenting import Experimenting
from search_service.usecases.fields import invalid
from search_service.usecases.jobs import cancel_unfinished
from search_service.usecases.once import fingerprint
from search_service.usecases.paging import decode_token, encode_token, page_size

_JOBS_PAGE = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenExperiment:
    """An experiment, its cells in order, and where both stand. `ended_at` is None as long as it runs."""

    experiment: Experiment
    state: ExperimentState
    cells: tuple[SeenCell, ...]
    job_count: int
    ended_at: datetime | None


def get_experiment(work: Experimenting, reference: str) -> SeenExperiment:
    """The experiment of that id or digest. Raises NotFound (EXPERIMENT_NOT_FOUND)."""
    with work.profiling.database.begin() as unit:
        return see_experiment(unit, resolve_experiment(unit, reference))


def list_experiments(work: Experimenting, size: int, token: str) -> tuple[Page[SeenExperiment], str]:
    """A page of experiments, newest first, and the token of the next."""
    bound_to = fingerprint("ListExperiments")
    after = decode_token(bound_to, token, parts=1)
    with work.profiling.database.begin() as unit:
        page = unit.experiments.page(after, page_size(size, default=20))
        seen = tuple(see_experiment(unit, experiment) for experiment in page.items)
    return Page(seen, page.total, page.after), encode_token(bound_to, page.after)


def list_cells(
    work: Experimenting, reference: str, state: CellState | None, size: int, token: str
) -> tuple[Sequence[SeenCell], int, str]:
    """A page of an experiment's cells in order, how many there are in that state, and the token of the next page."""
    bound_to = fingerprint("ListCells", reference, state)
    after = decode_token(bound_to, token, parts=1)
    if after is not None and not (after[0].isascii() and after[0].isdecimal() and len(after[0]) < 10):
        raise invalid("page_token", "not a token of this request")
    kept = [cell for cell in get_experiment(work, reference).cells if state in (None, cell.state)]
    left = [cell for cell in kept if after is None or cell.cell.position > int(after[0])]
    taken = left[: page_size(size, default=100)]
    last = (str(taken[-1].cell.position),) if len(taken) < len(left) else None
    return taken, len(kept), encode_token(bound_to, last)


def cancel_experiment(work: Experimenting, reference: str) -> SeenExperiment:
    """Cancels the jobs that wait at once, and asks the agents of the others. Harmless on one that has ended.

    Raises NotFound (EXPERIMENT_NOT_FOUND).
    """
    now = work.profiling.clock()
    with work.profiling.database.begin() as unit:
        experiment = unit.experiments.lock(resolve_experiment(unit, reference).id)
        if see_experiment(unit, experiment).state is ExperimentState.RUNNING:
            unit.experiments.replace(replace(experiment, cancelled_at=now, asking=False))
            cancel_unfinished(unit, experiment.id, now)
            unit.commit()
    return get_experiment(work, experiment.id)


def delete_experiment(work: Experimenting, reference: str, *, with_profiles: bool = False) -> int:
    """Deletes an experiment that does not run, and says how many profiles went with it.

    These are, if asked for, the ones that its jobs gave and to which no other experiment refers. Its jobs stay.

    Raises:
        NotFound: EXPERIMENT_NOT_FOUND.
        PreconditionFailed: EXPERIMENT_RUNNING.
    """
    with work.profiling.database.begin() as unit:
        experiment = unit.experiments.lock(resolve_experiment(unit, reference).id)
        if see_experiment(unit, experiment).state is ExperimentState.RUNNING:
            raise PreconditionFailed(
                f"the experiment {experiment.id} is running: cancel it first, or wait until it has ended",
                Reason.EXPERIMENT_RUNNING,
            )
        given = [profile_id for job in jobs_of(unit, experiment.id).values() for profile_id in job.profile_ids]
        unit.experiments.delete(experiment.id)
        deleted = 0
        if with_profiles:
            kept = unit.experiments.referred(given)
            deleted = unit.profiles.delete([profile_id for profile_id in given if profile_id not in kept])
        unit.commit()
    work.registry.committed()
    return deleted


def retries_of(experiment: Experiment) -> int:
    """How often a cell is measured again at most."""
    return int(json.loads(experiment.document).get("retries", DEFAULT_RETRIES))


def resolve_experiment(unit: UnitOfWork, reference: str) -> Experiment:
    """The experiment of that id or digest. Raises NotFound, or InvalidArgument for an empty one."""
    if not reference:
        raise invalid("experiment", "must hold the id or the digest of an experiment")
    try:
        return unit.experiments.get(reference)
    except NotFound:
        return unit.experiments.find(reference)


def see_experiment(unit: UnitOfWork, experiment: Experiment) -> SeenExperiment:
    """Where an experiment and its cells stand, by its jobs and their profiles."""
    cells = unit.experiments.cells(experiment.id)
    jobs = jobs_of(unit, experiment.id)
    asked = {cell.job_id for cell in cells}
    wanted = [cell.profile_id for cell in cells if cell.profile_id]
    wanted += [profile_id for job in jobs.values() if job.id in asked for profile_id in job.profile_ids]
    profiles = unit.profiles.get_many(wanted)
    seen = tuple(see_cell(cell, jobs, profiles) for cell in cells)
    state = state_of(experiment, seen, retries_of(experiment))
    ended_at = None
    if state is not ExperimentState.RUNNING:
        ends = [job.ended_at for job in jobs.values() if job.ended_at is not None]
        ended_at = max(ends, default=experiment.cancelled_at or experiment.created_at)
    return SeenExperiment(experiment=experiment, state=state, cells=seen, job_count=len(jobs), ended_at=ended_at)


def jobs_of(unit: UnitOfWork, experiment_id: str) -> dict[str, Job]:
    """All jobs that an experiment has had, by id."""
    found: dict[str, Job] = {}
    after: tuple[str, ...] | None = None
    while True:
        page = unit.jobs.page(JobFilter(experiment_id=experiment_id), after, _JOBS_PAGE)
        found |= {job.id: job for job in page.items}
        after = page.after
        if after is None:
            return found

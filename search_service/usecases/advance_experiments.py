"""The use case that asks for more cells: of a search the next round, of a large grid the next bit, INVALID ones again.

It may run in any number of replicas: what is committed first counts, and who was slower drops its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace

from msearch_experiments import Plan
from msearch_experiments.benchmark import Search
from msearch_experiments.searching import points_of
from search_service.domain.errors import DomainError, NotFound, Unavailable
from search_service.domain.experiments import Cell, CellState, Experiment, SeenCell
from search_service.domain.jobs import JobFilter, JobState
from search_service.domain.ports import UnitOfWork
from search_service.usecases.benchmark_plans import base_spec, bind, find_models, read_plan
from search_service.usecases.canonical_models import register_canonical
from search_service.usecases.experiment_jobs import MOST_JOBS_AT_ONCE, add_jobs, group_cells, join_cells
from search_service.usecases.experimenting import Experimenting
from search_service.usecases.experiments import SeenExperiment, see_experiment
from search_service.usecases.search_goals import goal_of, trials_of


def advance_experiments(work: Experimenting) -> int:
    """Asks for more cells of every experiment that has some to ask for, and says how many were asked for.

    One that fails keeps none of the others waiting; the first error is raised once all had their turn.
    """
    with work.profiling.database.begin() as unit:
        asking = unit.experiments.asking()
    asked, failure = 0, None
    for experiment_id in asking:
        try:
            asked += advance_experiment(work, experiment_id)
        except Unavailable:
            raise  # the others would find the database just so
        except DomainError as error:
            failure = failure or error
    if failure is not None:
        raise failure
    return asked


def advance_experiment(work: Experimenting, experiment_id: str) -> int:
    """Asks for the next cells of an experiment, or notes that there are none left, and says how many it asked for.

    The next round of a search, and cells that came out INVALID, wait until none of its jobs waits or runs.
    """
    with work.profiling.database.begin() as unit:
        experiment = unit.experiments.get(experiment_id)
        if not experiment.asking or _must_wait(unit, experiment):
            return 0
        seen = see_experiment(unit, experiment)
    plan = read_plan(experiment.document, confirmed=True)
    search = plan.benchmark.search
    positions = _next_bit(seen) if search is None else []
    if not positions and any(cell.state.active for cell in seen.cells):
        return 0  # another replica has asked since the first look; only what was seen is held to the lock below
    positions = positions or _again(seen, plan.benchmark.retries)
    if not positions and search is not None:
        positions = _next_round(work, plan, search, seen)
    if positions and not _register_models(work, plan, positions):
        positions = []  # a model was deleted, and will not come back by itself: who submits the file again is told
    with work.profiling.database.begin() as unit:
        experiment = unit.experiments.lock(experiment_id)
        if experiment != seen.experiment or list(unit.experiments.cells(experiment_id)) != [
            cell.cell for cell in seen.cells
        ]:
            return 0  # another replica was faster, or someone cancelled it
        if not positions:
            unit.experiments.replace(replace(experiment, asking=False))
            unit.commit()
            return 0
        models = find_models(unit, plan)
        cells = [_asked(seen.cells[position], bind(plan.cells[position], position, models)) for position in positions]
        jobs = join_cells(base_spec(plan.benchmark), cells)
        given = add_jobs(work.profiling, unit, experiment, jobs, priority=plan.benchmark.priority)
        unit.experiments.replace(experiment, [replace(cell, job_id=given[cell.position]) for cell in cells])
        unit.commit()
    return len(positions)


def _must_wait(unit: UnitOfWork, experiment: Experiment) -> bool:
    """Whether its jobs are to end first, at a first look that reads no cell, since it is asked every second."""
    searching = "search" in json.loads(experiment.document)
    if not searching and unit.experiments.has_open(experiment.id):
        return False
    unfinished = (JobFilter(state=state, experiment_id=experiment.id) for state in JobState if not state.ended)
    return any(unit.jobs.page(wanted, None, 1).total for wanted in unfinished)


def _next_bit(seen: SeenExperiment) -> list[int]:
    """Positions of the open cells of the next jobs of a grid."""
    return _first_jobs(cell for cell in seen.cells if cell.state is CellState.OPEN)


def _again(seen: SeenExperiment, retries: int) -> list[int]:
    """Positions of cells that came out INVALID for a reason that may pass."""
    return _first_jobs(cell for cell in seen.cells if cell.may_be_retried(retries))


def _first_jobs(cells: Iterable[SeenCell]) -> list[int]:
    """Positions of the cells of as many jobs as are added at once."""
    groups = group_cells(seen.cell for seen in cells)
    return [cell.position for members in groups[:MOST_JOBS_AT_ONCE] for load in members for cell in load]


def _asked(seen: SeenCell, cell: Cell) -> Cell:
    """The cell as it is asked for now: once more where it was measured in vain."""
    again = seen.state is CellState.INVALID
    return replace(cell, retries=seen.cell.retries + again)


def _next_round(work: Experimenting, plan: Plan, search: Search, seen: SeenExperiment) -> list[int]:
    """Positions of the cells to try next; none where the search has ended."""
    asked = sum(bool(cell.cell.job_id) for cell in seen.cells)
    if asked >= search.trials or not any(cell.state is CellState.OPEN for cell in seen.cells):
        return []
    return work.optimiser.ask(
        points_of(plan),
        goal_of(search),
        trials_of(seen.cells),
        count=min(search.per_round, search.trials - asked),
        budget=search.trials,
        seed=search.seed,
    )


def _register_models(work: Experimenting, plan: Plan, positions: list[int]) -> bool:
    """Registers the canonical models of these cells; whether all other models of the plan are there."""
    try:
        with work.profiling.database.begin() as unit:
            models = find_models(unit, plan)
    except NotFound:
        return False
    wanted = {plan.cells[position].model for position in positions}
    register_canonical(work, plan, [name for name, model in models.items() if model is None and name in wanted])
    return True

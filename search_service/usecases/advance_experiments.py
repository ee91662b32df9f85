"""The use case that asks for cells that are still open: of a search the next round, of a large grid the next bit.

It may run in any number of replicas: what is committed first counts, and who was slower drops its own.
"""

from __future__ import annotations

from dataclasses import replace

from msearch_experiments import Plan
from msearch_experiments.benchmark import Search
from msearch_experiments.searching import points_of
from search_service.domain.experiments import CellState
from search_service.usecases.benchmark_plans import base_spec, bind, find_models, read_plan
from search_service.usecases.canonical_models import register_canonical
from search_service.usecases.experiment_jobs import MOST_JOBS_AT_ONCE, add_jobs, group_cells, join_cells
from search_service.usecases.experimenting import Experimenting
from search_service.usecases.experiments import SeenExperiment, see_experiment
from search_service.usecases.search_goals import goal_of, trials_of


def advance_experiments(work: Experimenting) -> int:
    """Asks for more cells of every experiment that has some to ask for, and says how many were asked for."""
    with work.profiling.database.begin() as unit:
        asking = unit.experiments.asking()
    return sum(advance_experiment(work, experiment_id) for experiment_id in asking)


def advance_experiment(work: Experimenting, experiment_id: str) -> int:
    """Asks for the next cells of an experiment, or notes that there are none left, and says how many it asked for.

    A search waits until no cell of its last round waits or runs.
    """
    with work.profiling.database.begin() as unit:
        seen = see_experiment(unit, unit.experiments.get(experiment_id))
    if not seen.experiment.asking:
        return 0
    plan = read_plan(seen.experiment.document, confirmed=True)
    search = plan.benchmark.search
    if search is not None and any(cell.state.active for cell in seen.cells):
        return 0
    positions = _next_bit(seen) if search is None else _next_round(work, plan, search, seen)
    if positions:
        _register_models(work, plan, positions)
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
        cells = [bind(plan.cells[position], position, models) for position in positions]
        jobs = join_cells(base_spec(plan.benchmark), cells)
        given = add_jobs(work.profiling, unit, experiment, jobs, priority=plan.benchmark.priority)
        unit.experiments.replace(experiment, [replace(cell, job_id=given[cell.position]) for cell in cells])
        unit.commit()
    return len(positions)


def _next_bit(seen: SeenExperiment) -> list[int]:
    """Positions of the cells of the next jobs of a grid."""
    left = group_cells(cell.cell for cell in seen.cells if cell.state is CellState.OPEN)
    return [cell.position for members in left[:MOST_JOBS_AT_ONCE] for load in members for cell in load]


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


def _register_models(work: Experimenting, plan: Plan, positions: list[int]) -> None:
    with work.profiling.database.begin() as unit:
        models = find_models(unit, plan)
    wanted = {plan.cells[position].model for position in positions}
    register_canonical(work, plan, [name for name, model in models.items() if model is None and name in wanted])

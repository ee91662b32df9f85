"""The use case that drives searches: once a round has ended, the optimiser is asked for the next.

It may run in any number of replicas: the round that is committed first counts, and who was slower drops its own.
"""

from __future__ import annotations

from dataclasses import replace

from msearch_experiments import Plan
from search_service.domain.experiments import CellState
from search_service.usecases.benchmark_plans import base_spec, bind, find_models, read_plan
from search_service.usecases.canonical_models import register_canonical
from search_service.usecases.experiment_jobs import add_jobs, join_cells
from search_service.usecases.experimenting import Experimenting
from search_service.usecases.experiments import SeenExperiment, see_experiment
from search_service.usecases.search_goals import goal_of, trials_of


def advance_searches(work: Experimenting) -> int:
    """Asks for the next round of every search whose last one has ended, and says how many cells were asked for."""
    with work.profiling.database.begin() as unit:
        searching = unit.experiments.searching()
    return sum(advance_search(work, experiment_id) for experiment_id in searching)


def advance_search(work: Experimenting, experiment_id: str) -> int:
    """Asks for the next round of a search, or ends it, unless cells of the last one wait or run.

    Says how many cells were asked for.
    """
    with work.profiling.database.begin() as unit:
        seen = see_experiment(unit, unit.experiments.get(experiment_id))
    if not _is_due(seen):
        return 0
    plan = read_plan(seen.experiment.document, confirmed=True)
    positions = _next_round(work, plan, seen)
    if positions:
        _register_models(work, plan, positions)
    with work.profiling.database.begin() as unit:
        experiment = unit.experiments.lock(experiment_id)
        if see_experiment(unit, experiment) != seen:
            return 0  # another replica was faster, or someone cancelled it
        if not positions:
            unit.experiments.replace(replace(experiment, searching=False))
            unit.commit()
            return 0
        models = find_models(unit, plan)
        cells = [bind(plan.cells[position], position, models) for position in positions]
        jobs = join_cells(base_spec(plan.benchmark), cells)
        given = add_jobs(work.profiling, unit, experiment, jobs, priority=plan.benchmark.priority)
        unit.experiments.replace(experiment, [replace(cell, job_id=given[cell.position]) for cell in cells])
        unit.commit()
    return len(positions)


def _is_due(seen: SeenExperiment) -> bool:
    return seen.experiment.searching and not any(cell.state.active for cell in seen.cells)


def _next_round(work: Experimenting, plan: Plan, seen: SeenExperiment) -> list[int]:
    """Positions of the cells to try next; none where the search has ended."""
    search = plan.benchmark.search
    asked = sum(bool(cell.cell.job_id) for cell in seen.cells)
    if search is None or asked >= search.trials or not any(cell.state is CellState.OPEN for cell in seen.cells):
        return []
    return work.optimiser.ask(
        plan.cells,
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

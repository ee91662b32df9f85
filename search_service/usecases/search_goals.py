"""What a search looks for, and how far it is."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from msearch_experiments import parse_benchmark
from msearch_experiments.benchmark import Search
from msearch_experiments.searching import Goal, Requirement, Trial, best_trial
from search_service.domain.experiments import CellState, SeenCell
from search_service.domain.metrics import check_metric
from search_service.usecases.experiments import SeenExperiment
from search_service.usecases.fields import invalid


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchProgress:
    """How far a search is: `asked` of at most `trials` cells were measured for it."""

    search: Search
    asked: int
    best_position: int | None


def goal_of(search: Search) -> Goal:
    """The goal of a search. Raises InvalidArgument for an unknown quantity, or a limit of another form."""
    require = []
    for place, text in enumerate(search.require or ()):
        path = f"search.require[{place}]"
        try:
            limit = Requirement.parse(text)
        except ValueError as error:
            raise invalid(path, str(error)) from None
        check_metric(limit.quantity, path)
        require.append(limit)
    quantity = check_metric(search.optimise, "search.optimise")
    return Goal(optimise=quantity.name, lower_is_better=quantity.lower_is_better, require=tuple(require))


def trials_of(cells: Sequence[SeenCell]) -> list[Trial]:
    """What was tried: every cell that has ended, also those that were measured before the search asked for them."""
    trials = []
    for seen in cells:
        if seen.state is CellState.MEASURED and seen.profile is not None:
            values = {one.name: one.value for one in seen.profile.measurements if one.measured}
            trials.append(Trial(seen.cell.position, values))
        elif seen.state is not CellState.OPEN and not seen.state.active:
            trials.append(Trial(seen.cell.position, None))
    return trials


def progress_of(seen: SeenExperiment) -> SearchProgress | None:
    """How far the search of an experiment is; None where it measures all of its cells."""
    values = json.loads(seen.experiment.document)
    if "search" not in values:
        return None
    search = parse_benchmark(values).search
    if search is None:
        return None
    best = best_trial(goal_of(search), trials_of(seen.cells))
    return SearchProgress(
        search=search,
        asked=sum(bool(cell.cell.job_id) for cell in seen.cells),
        best_position=None if best is None else best.position,
    )

"""Chooses which cells of a grid to try next, with Optuna's tree-structured Parzen estimator.

Nothing is kept between two rounds: the study is built anew from what was tried, so any replica may ask the next one.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from msearch_experiments.searching import Goal, Point, Trial, dimensions_of
from search_service.domain.errors import PreconditionFailed, Reason

if TYPE_CHECKING:
    import optuna

_FEWEST_AT_RANDOM, _MOST_AT_RANDOM = 4, 10
_SHARE_AT_RANDOM = 0.3
"""Of all trials so many are drawn at random before the estimator has seen enough."""


class OptunaOptimiser:
    """Implements `usecases.experimenting.Optimiser`."""

    def check(self) -> None:
        """See `Optimiser.check`."""
        if find_spec("optuna") is None:
            raise PreconditionFailed(
                "this service cannot search: it has no optimiser; install msearch[search] where it runs, or leave out "
                "`search` to measure the whole grid",
                Reason.OPTIMISER_MISSING,
            )

    def ask(
        self, points: Sequence[Point], goal: Goal, trials: Sequence[Trial], *, count: int, budget: int, seed: int
    ) -> list[int]:
        """See `Optimiser.ask`."""
        dimensions = dimensions_of(points)
        tried = {trial.position for trial in trials}
        untried = {position: _places(point, dimensions) for position, point in enumerate(points)}
        for position in tried:
            del untried[position]
        study, distributions = _study(points, dimensions, goal, trials, budget=budget, seed=seed)
        asked: list[int] = []
        while untried and len(asked) < count:
            wanted = study.ask(distributions).params
            # The point may be no cell, or be tried already: take the nearest one that is left.
            nearest = min(untried, key=lambda position: (_distance(untried[position], wanted, dimensions), position))
            asked.append(nearest)
            del untried[nearest]
        return asked


def _study(
    points: Sequence[Point],
    dimensions: dict[str, tuple[object, ...]],
    goal: Goal,
    trials: Sequence[Trial],
    *,
    budget: int,
    seed: int,
) -> tuple[optuna.Study, dict[str, Any]]:
    import optuna  # noqa: PLC0415 - an extra, and slow to import

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    distributions: dict[str, Any] = {
        name: optuna.distributions.IntDistribution(0, len(values) - 1)
        if isinstance(values[0], int)
        else optuna.distributions.CategoricalDistribution(range(len(values)))
        for name, values in dimensions.items()
    }
    at_random = min(max(_FEWEST_AT_RANDOM, round(_SHARE_AT_RANDOM * budget)), _MOST_AT_RANDOM)
    study = optuna.create_study(
        direction="minimize" if goal.lower_is_better else "maximize",
        # Another seed each round, or every round would draw the same points.
        sampler=optuna.samplers.TPESampler(seed=(seed + len(trials)) % 2**31, n_startup_trials=at_random),
    )
    for trial in trials:
        if trial.values is None or goal.optimise not in trial.values:
            continue
        study.add_trial(
            optuna.trial.create_trial(
                value=trial.values[goal.optimise],
                params=_places(points[trial.position], dimensions),
                distributions=distributions,
                constraints={
                    f"{limit.quantity} {limit.at_most}": limit.violation(trial.values) for limit in goal.require
                },
            )
        )
    return study, distributions


def _places(point: Point, dimensions: dict[str, tuple[object, ...]]) -> dict[str, int]:
    """Which value of each dimension it has."""
    return {name: values.index(point[name]) for name, values in dimensions.items()}


def _distance(point: dict[str, int], wanted: dict[str, int], dimensions: dict[str, tuple[object, ...]]) -> float:
    """A step along an ordered dimension is a share of its length, another value of an unordered one is 1."""
    return sum(
        abs(point[name] - wanted[name]) / len(values) if isinstance(values[0], int) else point[name] != wanted[name]
        for name, values in dimensions.items()
    )

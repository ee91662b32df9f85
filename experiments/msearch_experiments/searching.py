"""Looking for the best cell of a grid under limits: the space, what was tried, and which is best so far. Pure.

Which cell to try next is an optimiser's to say (the service uses Optuna); what is best, and when a limit holds, is
decided here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from msearch_experiments.plan import Plan

_FORM = re.compile(r"\s*([a-z][a-z0-9_]*)\s*(<=|>=)\s*([-+]?[0-9.]+(?:[eE][-+]?[0-9]+)?)\s*")


@dataclass(frozen=True, slots=True)
class Requirement:
    """A limit on a measured quantity, in its unit."""

    quantity: str
    at_most: bool
    limit: float

    @classmethod
    def parse(cls, text: str) -> Requirement:
        """The limit of a text such as "p99_ms<=20". Raises ValueError."""
        found = _FORM.fullmatch(text)
        if found is None:
            raise ValueError(f'must read QUANTITY<=NUMBER or QUANTITY>=NUMBER, as in "p99_ms<=20", not {text!r}')
        return cls(found[1], found[2] == "<=", float(found[3]))

    def violation(self, values: Mapping[str, float]) -> float:
        """By how much it is missed, as a share of the limit; at most 0 where it holds, 1 for an unknown quantity."""
        value = values.get(self.quantity)
        if value is None:
            return 1.0
        missed = value - self.limit if self.at_most else self.limit - value
        return missed / (abs(self.limit) or 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """What is looked for: the better end of a quantity, within limits."""

    optimise: str
    lower_is_better: bool
    require: tuple[Requirement, ...] = ()


@dataclass(frozen=True, slots=True)
class Trial:
    """A cell that was tried, by its position in the plan: its measured values, None where it gave no VALID profile."""

    position: int
    values: Mapping[str, float] | None

    def reaches(self, goal: Goal) -> bool:
        """Whether it has a value of the quantity and keeps all limits."""
        return (
            self.values is not None
            and goal.optimise in self.values
            and all(limit.violation(self.values) <= 0 for limit in goal.require)
        )


def best_trial(goal: Goal, trials: Sequence[Trial]) -> Trial | None:
    """The best trial that keeps all limits, the earlier of equals; None where none does."""
    sign = 1.0 if goal.lower_is_better else -1.0
    reaching = [trial for trial in trials if trial.reaches(goal)]
    return min(reaching, key=lambda trial: sign * (trial.values or {})[goal.optimise], default=None)


Point: TypeAlias = Mapping[str, Any]
"""A cell by its value in each dimension."""

DIMENSIONS = (
    "model", "layers", "width", "backend", "precision", "batch_size", "threads", "mode", "device", "server", "load",
    "host_class",
)  # fmt: skip


def points_of(plan: Plan) -> list[Point]:
    """The cells of a plan as points, in order.

    Of a generated model, layers and width are dimensions of their own, and its model is what it is but for these; a
    registered model has 0 of both.
    """
    points: list[Point] = []
    for cell in plan.cells:
        made = plan.generated.get(cell.model)
        kind = cell.model if made is None else replace(made, layers=0, width=0).identity
        sizes = (0, 0) if made is None else (made.layers, made.width)
        own = {"model": kind, "layers": sizes[0], "width": sizes[1]}
        points.append({name: own[name] if name in own else getattr(cell, name) for name in DIMENSIONS})
    return points


def dimensions_of(points: Sequence[Point]) -> dict[str, tuple[object, ...]]:
    """The values of each dimension that varies: numbers in order, others as they first come."""
    found: dict[str, tuple[object, ...]] = {}
    for name in DIMENSIONS:
        values = list(dict.fromkeys(point[name] for point in points))
        if len(values) > 1:
            found[name] = tuple(sorted(values) if isinstance(values[0], int) else values)
    return found

"""What the use cases of experiments work with, and the collaborators that make models and choose what to try."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from msearch_experiments.canonical import Architecture
from msearch_experiments.searching import Goal, Point, Trial
from search_service.usecases.profiling import Profiling
from search_service.usecases.registry import Registry


@dataclass(frozen=True, slots=True)
class MadeModel:
    """A canonical model: its card as JSON, and the bytes of its artifact."""

    card: str
    artifact: bytes


class CanonicalModels(Protocol):
    """Makes canonical models."""

    def make(self, architecture: Architecture) -> MadeModel:
        """The model of a checked architecture: the same bytes whenever it is called."""


class Optimiser(Protocol):
    """Chooses which cells of a grid to try next. It keeps nothing between two calls."""

    def check(self) -> None:
        """Raises PreconditionFailed (OPTIMISER_MISSING) where it cannot be used; the message says what to install."""

    def ask(
        self, points: Sequence[Point], goal: Goal, trials: Sequence[Trial], *, count: int, budget: int, seed: int
    ) -> list[int]:
        """Positions of at most `count` points that are not among the trials, fewer where fewer are left.

        `budget` is how many are tried in all. The same question has the same answer.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Experimenting:
    """The collaborators of the use cases of experiments."""

    profiling: Profiling
    registry: Registry
    canonical_models: CanonicalModels
    optimiser: Optimiser

"""What the use cases of experiments work with, and the collaborators that make models and choose what to try."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from msearch_experiments.canonical import Architecture
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Experimenting:
    """The collaborators of the use cases of experiments."""

    profiling: Profiling
    registry: Registry
    canonical_models: CanonicalModels

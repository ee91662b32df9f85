"""Cross-evaluations: models run on labelled samples that are not their own; what the predictor learns from."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msearch_accuracy.evidence import CandidateEvidence, Coreset
from msearch_accuracy.metrics import Metric


@dataclass(frozen=True, slots=True, eq=False)
class KnownModel:
    """A registered model. Models of one `group` never judge, nor are judged on, a table of that group."""

    name: str
    group: str
    classes: tuple[str, ...]
    source: Coreset | None
    accuracy: float | None
    temperature: float = 1.0

    def as_candidate(self, probabilities: NDArray[Any] | None) -> CandidateEvidence:
        """The model as a candidate for a target, with its outputs [n, K] on it; None if it was not run."""
        return CandidateEvidence(self.name, self.classes, probabilities, self.source, self.accuracy, self.temperature)


@dataclass(frozen=True, slots=True, eq=False)
class LabelledTable:
    """A labelled sample with the outputs of models on it: rows [n, d] in ticks, labels [n], probabilities by model."""

    group: str
    ticks: NDArray[Any]
    labels: NDArray[Any]
    probabilities: dict[str, NDArray[Any]]

    def take(self, rows: NDArray[Any]) -> LabelledTable:
        """The same with some of the rows, by number, in that order."""
        told = {name: np.asarray(outputs)[rows] for name, outputs in self.probabilities.items()}
        return replace(self, ticks=self.ticks[rows], labels=np.asarray(self.labels)[rows], probabilities=told)


@dataclass(frozen=True, slots=True, eq=False)
class Workload:
    """Models of one kind and the labelled tables they were run on."""

    name: str
    models: tuple[KnownModel, ...]
    tables: tuple[LabelledTable, ...]
    metric: Metric = field(default_factory=Metric)

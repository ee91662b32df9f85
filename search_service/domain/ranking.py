"""Words of the ranking: scores, what they are given, what they give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from msearch_sketch.signature import Signature, Validation
from msearch_sketch.spaces import FeatureSpace


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreInfo:
    """What a score is, for people and for the contract suite.

    `self_value` is the value of a dataset against itself where the definition fixes it, else None.
    `symmetric` says whether swapping target and source leaves the value unchanged.
    """

    name: str
    summary: str
    formula: str
    source: str
    support_unit: str
    lowest: float | None
    highest: float | None
    higher_is_better: bool = True
    self_value: float | None = None
    symmetric: bool = False


@dataclass(frozen=True, slots=True)
class Source:
    """A candidate's side of a comparison: its source's signature, what is claimed of it, what was measured.

    `validation` is how the model did on labelled held-out rows, None where nobody measured it.
    """

    signature: Signature
    claimed_accuracy: float | None = None
    validation: Validation | None = None


@dataclass(frozen=True, slots=True)
class ScoreValues:
    """Values of one score for n sources.

    `values` [n] is NaN where the score cannot be computed, and `details` says why, by position.
    `support` [n] is what each value rests on, in the score's support unit.
    """

    values: NDArray[np.float64]
    support: NDArray[np.float64]
    details: dict[int, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class AccuracyPrediction:
    """What a candidate is expected to reach on the target.

    `accuracy` and its 90 % interval from `low` to `high` are None where it cannot be predicted, and `notices` say why.
    `form`: "outputs" where the candidate was run on the target, else "signatures". `contributions`: by how much each
    kind of evidence changes the accuracy against typical values, the largest change first.
    """

    accuracy: float | None
    low: float | None
    high: float | None
    form: str
    evidence_count: int
    predictor_version: str
    contributions: tuple[tuple[str, float], ...] = ()
    notices: tuple[str, ...] = ()


class Score(Protocol):
    """A score: one file in search_service/scores with a module-level `SCORE`, or an entry point "msearch.scores"."""

    @property
    def info(self) -> ScoreInfo: ...

    def compute(self, target: Signature, sources: Sequence[Source], space: FeatureSpace) -> ScoreValues:
        """Values for all sources, which share the target's space (the caller checks). Never raises on valid input."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """Adaptivity of every indexed dataset of one space, position by position.

    `values` [n] in [0, 1]; `support` [n]: bucket look-ups (rows x tables) each value rests on.
    """

    dataset_ids: Sequence[str]
    values: NDArray[np.float64]
    support: NDArray[np.float64]


class SignatureIndex(Protocol):
    """Exact adaptivity over all datasets: a cache of the database, safe to share between threads."""

    def put(self, dataset_id: str, signature: Signature) -> None:
        """Adds or replaces the dataset's signature in the signature's space."""

    def put_many(self, entries: Sequence[tuple[str, Signature]]) -> None:
        """As `put`, many at once and faster."""

    def remove(self, dataset_id: str) -> None:
        """Removes the dataset from every space; harmless if it is not there."""

    def coverage(self, target: Signature) -> Coverage:
        """Adaptivity of every dataset in the target's space; the same numbers as the score `adaptivity` gives."""

    def tidy(self) -> None:
        """Puts right what many small changes left behind; for idle moments, and takes some tens of milliseconds."""

    def spaces(self) -> dict[str, int]:
        """Number of datasets by space digest."""

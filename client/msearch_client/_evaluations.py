"""How accurate models are: measured on labelled rows, and predicted for a target."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from msearch_client._records import Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Validation(Record):
    """How a model did on labelled held-out rows of its source dataset.

    `temperature` calibrates its probabilities there; `confidence_counts` and `confidence_correct` are rows, and rows it
    was right on, by its largest probability in equal bins over [0, 1]; `class_prior` are the shares of its classes
    among the labels. `measured_by` is "agent", "client", or "outputs" (that a client added); `sample_digest` is empty
    if the rows were not stored.
    """

    accuracy: float
    row_count: int
    temperature: float
    mean_confidence: float
    atc_threshold: float
    confidence_counts: tuple[int, ...]
    confidence_correct: tuple[int, ...]
    class_prior: tuple[float, ...]
    measured_by: str
    sample_digest: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateSpec(Record):
    """What an evaluate job runs a model on: a sample of `row_count` rows; `format` is that of the artifact.

    `with_noise`: the model is also run with noise on its weights, for the score "worst_noise".
    """

    sample_id: str
    sample_digest: str
    row_count: int
    with_noise: bool
    format: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Contribution(Record):
    """By how much one kind of evidence changes a predicted accuracy against typical values of it."""

    evidence: str
    change: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AccuracyPrediction(Record):
    """What a candidate is expected to reach on the target.

    `accuracy` and its 90 % interval are None where it cannot be predicted; `notices` say why. `form` is "outputs" where
    the candidate was run on the target, else "signatures"; `evidence_count` cross-evaluations are behind the predictor
    of that version. `contributions` are there only with `explain`, the largest change first.
    """

    accuracy: float | None
    low: float | None
    high: float | None
    form: str
    evidence_count: int
    predictor_version: str
    contributions: tuple[Contribution, ...] = ()
    notices: tuple[str, ...] = ()

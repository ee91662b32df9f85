"""What is known of models on rows: evaluation samples, outputs, validation statistics, predictors."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from msearch_sketch.signature import Validation as Statistics


class SampleKind(StrEnum):
    """What an evaluation sample is for."""

    TARGET = "target"
    VALIDATION = "validation"


class MeasuredBy(StrEnum):
    """Who says how a model did: an agent that ran it, a client, or outputs that a client added and that we counted."""

    AGENT = "agent"
    CLIENT = "client"
    OUTPUTS = "outputs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Validation:
    """How a model did on labelled held-out rows.

    `class_prior` holds the share of each class among the labels, in the order of the model's classes, or nothing.
    `sample_digest` is that of the bytes of the rows, empty if they were not stored.
    """

    statistics: Statistics
    measured_by: MeasuredBy
    created_at: datetime
    class_prior: tuple[float, ...] = ()
    sample_digest: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateSpec:
    """What an evaluate job runs a model on; `format` is that of the model's artifact."""

    sample_id: str
    sample_digest: str
    row_count: int
    format: str
    with_noise: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationSample:
    """Rows that models are run on.

    `digest` and `size_bytes` are of the bytes that were sent: the rows, or only their points. `points_digest` is that
    of the blob with points and labels (see `usecases.points`). A target is for the token that stored it alone, and has
    neither dataset nor labels; a validation sample never expires.
    """

    id: str
    kind: SampleKind
    digest: str
    size_bytes: int
    row_count: int
    has_rows: bool
    points_digest: str
    space_digest: str
    created_at: datetime
    dataset_id: str = ""
    label_column: str = ""
    classes: tuple[str, ...] = ()
    token_id: str = ""
    expires_at: datetime | None = None

    def is_seen_by(self, token_id: str, now: datetime) -> bool:
        """Whether whoever calls with that token ("" without one) may know of it."""
        if self.kind is SampleKind.VALIDATION:
            return True
        return self.token_id == token_id and (self.expires_at is None or now < self.expires_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """One model on one sample: where its outputs are, and how many labelled rows it was right on.

    `subject` stands for what decides the outputs: the artifact, and how rows become its input. `outputs_digest` is
    that of the blob with the outputs (see `usecases.outputs`), `classes` name their columns. `row_count` rows were
    taken, `skipped_count` could not be. Of the labelled rows that were taken, `counted` in all, it was right on
    `correct`; both are None where there is nothing to compare with.
    """

    model_id: str
    sample_id: str
    subject: str
    outputs_digest: str
    outputs_size_bytes: int
    classes: tuple[str, ...]
    row_count: int
    measured_by: MeasuredBy
    created_at: datetime
    skipped_count: int = 0
    problem: str = ""
    with_noise: bool = False
    correct: int | None = None
    counted: int | None = None
    job_id: str = ""

    @property
    def accuracy(self) -> float | None:
        """Share of the labelled rows it was right on."""
        return self.correct / self.counted if self.correct is not None and self.counted else None


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictorVersion:
    """A predictor that was fitted on the registry's own evidence; `digest` is that of the blob with its arrays.

    Versions count from 1. `own_evidence_count` cross-evaluations of the registry are behind it, `evidence_count` with
    those behind the default that it is blended with.
    """

    version: int
    digest: str
    size_bytes: int
    own_evidence_count: int
    evidence_count: int
    evaluation_count: int
    fitted_at: datetime
    detail: str = ""

"""Rows that models are run on, and what is known of models on them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias

from msearch_client._jobs import Job
from msearch_client._records import Record


class SampleKind(StrEnum):
    """What an evaluation sample is for: a target to find a model for, or labelled rows of a source dataset."""

    TARGET = "target"
    VALIDATION = "validation"


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationSample(Record):
    """Rows that models are run on.

    `digest` and `size_bytes` are those of the bytes that were sent. Without `has_rows` only points in the feature space
    are stored, and agents cannot run a model on them. A target belongs to whoever stored it and is deleted at
    `expires_at`; a validation sample belongs to the dataset `dataset_id` and has labels in `label_column`.
    """

    id: str
    kind: SampleKind
    dataset_id: str
    digest: str
    size_bytes: int
    row_count: int
    has_rows: bool
    label_column: str
    classes: tuple[str, ...]
    space_digest: str
    created_at: datetime
    expires_at: datetime | None


SampleReference: TypeAlias = str | EvaluationSample
"""The id of an evaluation sample, or one that a call returned."""


def sample_id_of(sample: SampleReference) -> str:
    """The id that is meant."""
    return sample if isinstance(sample, str) else sample.id


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedModel(Record):
    """A model that cannot be run on a sample: a machine-readable `code` such as "no_artifact", and why in words."""

    model_id: str
    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitted(Record):
    """What became of the wish to run models on a sample.

    `jobs` run, or wait; of the models of `stored_model_ids` the outputs are there already; `refused` cannot be run.
    """

    jobs: tuple[Job, ...]
    stored_model_ids: tuple[str, ...]
    refused: tuple[RefusedModel, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation(Record):
    """What is known of one model on one sample.

    It took `row_count` rows. `accuracy` on the labels and its 95 % Wilson interval are None for a target, and where
    model and sample have no class in common. `job_id` is empty for outputs that a client added.
    """

    model_id: str
    model_name: str
    sample_id: str
    row_count: int
    accuracy: float | None
    low: float | None
    high: float | None
    job_id: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedEvaluation(Record):
    """A model to run on a validation sample, to teach the predictor.

    `value` is what that is expected to teach, relative to the most valuable one; `estimate_s` how long it is expected
    to take; `job_id` is empty on a dry run.
    """

    model_id: str
    model_name: str
    sample_id: str
    dataset_id: str
    value: float
    estimate_s: float
    job_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration(Record):
    """A plan of evaluations within a budget, the most valuable first; `left_out` more would be possible."""

    planned: tuple[PlannedEvaluation, ...]
    left_out: int
    notices: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictorInfo(Record):
    """The accuracy predictor in use.

    `version` is "default", or grows with each fit on the registry's own evidence: `own_evidence_count`
    cross-evaluations; `evidence_count` counts those behind the default too. `notice` says why a fit that was asked for
    did not happen.
    """

    version: str
    own_evidence_count: int
    evidence_count: int
    fitted_at: datetime | None
    detail: str
    digest: str
    notice: str = ""

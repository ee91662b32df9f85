"""Between the dataclasses of evaluation and rows of the tables."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa

from search_service.domain.evaluation import Evaluation, EvaluationSample, MeasuredBy, PredictorVersion, SampleKind
from search_service.storage.rows import as_json

Row = sa.Row[Any]
Values = dict[str, Any]


def sample_values(sample: EvaluationSample, dataset_number: int | None) -> Values:
    """The row of an evaluation sample."""
    return {
        "id": sample.id,
        "kind": sample.kind.value,
        "dataset_number": dataset_number,
        "token_id": sample.token_id,
        "digest": sample.digest,
        "size_bytes": sample.size_bytes,
        "points_digest": sample.points_digest,
        "row_count": sample.row_count,
        "has_rows": sample.has_rows,
        "space_digest": sample.space_digest,
        "label_column": sample.label_column,
        "classes": as_json(sample.classes),
        "created_at": sample.created_at,
        "expires_at": sample.expires_at,
    }


def sample_of(row: Row) -> EvaluationSample:
    """The evaluation sample of a row that also has the column `dataset_id`."""
    return EvaluationSample(
        id=row.id,
        kind=SampleKind(row.kind),
        digest=row.digest,
        size_bytes=row.size_bytes,
        row_count=row.row_count,
        has_rows=row.has_rows,
        points_digest=row.points_digest,
        space_digest=row.space_digest,
        created_at=row.created_at,
        dataset_id=row.dataset_id or "",
        label_column=row.label_column,
        classes=tuple(json.loads(row.classes)),
        token_id=row.token_id,
        expires_at=row.expires_at,
    )


def evaluation_values(evaluation: Evaluation, model_number: int, sample_number: int) -> Values:
    """The row of an evaluation."""
    return {
        "model_number": model_number,
        "sample_number": sample_number,
        "subject": evaluation.subject,
        "outputs_digest": evaluation.outputs_digest,
        "outputs_size_bytes": evaluation.outputs_size_bytes,
        "classes": as_json(evaluation.classes),
        "row_count": evaluation.row_count,
        "skipped_count": evaluation.skipped_count,
        "problem": evaluation.problem,
        "with_noise": evaluation.with_noise,
        "correct": evaluation.correct,
        "counted": evaluation.counted,
        "measured_by": evaluation.measured_by.value,
        "job_id": evaluation.job_id,
        "created_at": evaluation.created_at,
    }


def evaluation_of(row: Row) -> Evaluation:
    """The evaluation of a row that also has the columns `model_id` and `sample_id`."""
    return Evaluation(
        model_id=row.model_id,
        sample_id=row.sample_id,
        subject=row.subject,
        outputs_digest=row.outputs_digest,
        outputs_size_bytes=row.outputs_size_bytes,
        classes=tuple(json.loads(row.classes)),
        row_count=row.row_count,
        measured_by=MeasuredBy(row.measured_by),
        created_at=row.created_at,
        skipped_count=row.skipped_count,
        problem=row.problem,
        with_noise=row.with_noise,
        correct=row.correct,
        counted=row.counted,
        job_id=row.job_id,
    )


def predictor_values(predictor: PredictorVersion) -> Values:
    """The row of a predictor."""
    return {
        "version": predictor.version,
        "digest": predictor.digest,
        "size_bytes": predictor.size_bytes,
        "own_evidence_count": predictor.own_evidence_count,
        "evidence_count": predictor.evidence_count,
        "evaluation_count": predictor.evaluation_count,
        "fitted_at": predictor.fitted_at,
        "detail": predictor.detail,
    }


def predictor_of(row: Row) -> PredictorVersion:
    """The predictor of a row."""
    return PredictorVersion(
        version=row.version,
        digest=row.digest,
        size_bytes=row.size_bytes,
        own_evidence_count=row.own_evidence_count,
        evidence_count=row.evidence_count,
        evaluation_count=row.evaluation_count,
        fitted_at=row.fitted_at,
        detail=row.detail,
    )

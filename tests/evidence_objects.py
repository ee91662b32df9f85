"""Objects of evaluation for tests, with every field filled; name what matters to the test."""

from __future__ import annotations

from typing import Any

from msearch_sketch.signature import Validation as Statistics
from search_service.domain.evaluation import (
    Evaluation,
    EvaluationSample,
    MeasuredBy,
    PredictorVersion,
    SampleKind,
    Validation,
)
from search_service.domain.ports import Database
from tests.catalogue import NOW, digest_of, later


def a_target(id: str = "sample-1", **fields: Any) -> EvaluationSample:
    """A target that the token "token-1" stored."""
    values: dict[str, Any] = {
        "kind": SampleKind.TARGET,
        "digest": digest_of(id),
        "size_bytes": 2**25,
        "row_count": 100,
        "has_rows": True,
        "points_digest": digest_of(f"points of {id}"),
        "space_digest": digest_of("space"),
        "created_at": NOW,
        "token_id": "token-1",
        "expires_at": later(3600),
    }
    return EvaluationSample(id=id, **(values | fields))


def a_validation_sample(id: str, dataset_id: str, **fields: Any) -> EvaluationSample:
    """A labelled sample of a dataset."""
    values = {
        "kind": SampleKind.VALIDATION,
        "dataset_id": dataset_id,
        "label_column": "größe",
        "classes": ("one", "zero"),
        "expires_at": None,
    }
    return a_target(id, **(values | fields))


def an_evaluation(model_id: str = "model-1", sample_id: str = "sample-1", **fields: Any) -> Evaluation:
    """What an agent found."""
    values: dict[str, Any] = {
        "subject": digest_of(model_id),
        "outputs_digest": digest_of(f"{model_id} on {sample_id}"),
        "outputs_size_bytes": 800,
        "classes": ("zero", "eins: 一"),
        "row_count": 98,
        "measured_by": MeasuredBy.AGENT,
        "created_at": later(5),
        "skipped_count": 2,
        "problem": "not an image",
        "with_noise": True,
        "correct": 90,
        "counted": 98,
        "job_id": "job-1",
    }
    return Evaluation(model_id=model_id, sample_id=sample_id, **(values | fields))


def a_validation(**fields: Any) -> Validation:
    """Statistics of a model with two classes."""
    statistics = Statistics(
        accuracy=0.75,
        count=4,
        temperature=1.25,
        mean_confidence=0.8,
        atc_threshold=-0.5,
        confidence_counts=(0, 1, 3),
        confidence_correct=(0, 0, 3),
    )
    values: dict[str, Any] = {
        "statistics": statistics,
        "measured_by": MeasuredBy.AGENT,
        "created_at": NOW,
        "class_prior": (0.25, 0.75),
        "sample_digest": digest_of("rows"),
    }
    return Validation(**(values | fields))


def a_predictor(version: int, **fields: Any) -> PredictorVersion:
    """A predictor fitted on evidence."""
    values: dict[str, Any] = {
        "digest": digest_of(f"predictor {version}"),
        "size_bytes": 2**21,
        "own_evidence_count": 40,
        "evidence_count": 6000,
        "evaluation_count": 12,
        "fitted_at": NOW,
        "detail": "fitted on what there was",
    }
    return PredictorVersion(version=version, **(values | fields))


def put_samples(database: Database, *samples: EvaluationSample) -> None:
    """Adds and commits."""
    with database.begin() as work:
        for sample in samples:
            work.evaluation_samples.add(sample)
        work.commit()


def put_evaluations(database: Database, *evaluations: Evaluation) -> None:
    """Puts and commits."""
    with database.begin() as work:
        for evaluation in evaluations:
            work.evaluations.put(evaluation)
        work.commit()

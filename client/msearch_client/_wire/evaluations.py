"""Messages of measured and predicted accuracies to the client's types."""

from __future__ import annotations

from msearch.v1 import profiles_pb2, types_pb2
from msearch.v1 import search_service_pb2 as pb
from msearch_client._evaluations import AccuracyPrediction, Contribution, EvaluateSpec, Validation
from msearch_client._wire.times import time_from_proto


def validation_from_proto(message: types_pb2.Validation) -> Validation:
    """How a model did on labelled rows."""
    return Validation(
        accuracy=message.accuracy,
        row_count=message.row_count,
        temperature=message.temperature,
        mean_confidence=message.mean_confidence,
        atc_threshold=message.atc_threshold,
        confidence_counts=tuple(message.confidence_counts),
        confidence_correct=tuple(message.confidence_correct),
        class_prior=tuple(message.class_prior),
        measured_by=message.measured_by,
        sample_digest=message.sample_digest,
        created_at=time_from_proto(message.create_time),
    )


def evaluate_from_proto(message: profiles_pb2.EvaluateSpec) -> EvaluateSpec:
    """What an evaluate job runs a model on."""
    return EvaluateSpec(
        sample_id=message.sample_id,
        sample_digest=message.sample_digest,
        row_count=message.row_count,
        with_noise=message.with_noise,
        format=message.format,
    )


def prediction_from_proto(message: pb.AccuracyPrediction) -> AccuracyPrediction:
    """What a candidate is expected to reach."""
    return AccuracyPrediction(
        accuracy=message.accuracy if message.HasField("accuracy") else None,
        low=message.low if message.HasField("low") else None,
        high=message.high if message.HasField("high") else None,
        form=message.form,
        evidence_count=message.evidence_count,
        predictor_version=message.predictor_version,
        contributions=tuple(Contribution(evidence=item.evidence, change=item.change) for item in message.contributions),
        notices=tuple(message.notices),
    )

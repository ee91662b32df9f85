"""Messages of the EvaluationService to the client's types and back."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from msearch.v1 import evaluation_service_pb2 as pb
from msearch.v1 import types_pb2
from msearch_client._catalogue import Filter, Modality
from msearch_client._evaluations import Validation
from msearch_client._evidence import (
    Calibration,
    Evaluation,
    EvaluationSample,
    PlannedEvaluation,
    PredictorInfo,
    RefusedModel,
    SampleKind,
    Submitted,
)
from msearch_client._wire.catalogue import MODALITY_TO_PROTO, filter_to_proto
from msearch_client._wire.jobs import job_from_proto, read_enum
from msearch_client._wire.requests import DatasetReference, ModelReference
from msearch_client._wire.times import seconds_to_proto, time_from_proto
from msearch_running import Outputs

KIND_TO_PROTO: dict[SampleKind, pb.SampleKind.ValueType] = {
    SampleKind.TARGET: pb.SAMPLE_KIND_TARGET,
    SampleKind.VALIDATION: pb.SAMPLE_KIND_VALIDATION,
}
KIND_FROM_PROTO = {number: kind for kind, number in KIND_TO_PROTO.items()}


def sample_header(
    *,
    kind: SampleKind,
    dataset: DatasetReference | None,
    digest: str,
    size_bytes: int,
    points: bool,
    label_column: str,
    modality: Modality,
    column: str,
    keep_s: float | None,
) -> pb.PutEvaluationSampleRequest:
    """First message of the upload of a sample."""
    contents = pb.PutEvaluationSampleRequest
    header = pb.PutEvaluationSampleRequest.Header(
        kind=KIND_TO_PROTO[kind],
        dataset=dataset,
        digest=digest,
        size_bytes=size_bytes,
        content=contents.CONTENT_POINTS if points else contents.CONTENT_ROWS,
        label_column=label_column,
        modality=MODALITY_TO_PROTO[modality],
        column=column,
        keep=None if keep_s is None else seconds_to_proto(keep_s),
    )
    return pb.PutEvaluationSampleRequest(header=header)


def sample_chunk(data: bytes) -> pb.PutEvaluationSampleRequest:
    """Next bytes of a sample."""
    return pb.PutEvaluationSampleRequest(chunk=data)


def sample_from_proto(message: pb.EvaluationSample) -> EvaluationSample:
    """An evaluation sample."""
    return EvaluationSample(
        id=message.id,
        kind=read_enum(message.kind, KIND_FROM_PROTO, "sample kind"),
        dataset_id=message.dataset_id,
        digest=message.digest,
        size_bytes=message.size_bytes,
        row_count=message.row_count,
        has_rows=message.has_rows,
        label_column=message.label_column,
        classes=tuple(message.classes),
        space_digest=message.space_digest,
        created_at=time_from_proto(message.create_time),
        expires_at=time_from_proto(message.expire_time) if message.HasField("expire_time") else None,
    )


def list_samples(
    kind: SampleKind | None, dataset_id: str, page_size: int, page_token: str
) -> pb.ListEvaluationSamplesRequest:
    """A page of samples."""
    return pb.ListEvaluationSamplesRequest(
        kind=pb.SAMPLE_KIND_UNSPECIFIED if kind is None else KIND_TO_PROTO[kind],
        dataset_id=dataset_id,
        page_size=page_size,
        page_token=page_token,
    )


def get_sample(sample_id: str) -> pb.GetEvaluationSampleRequest:
    """One sample."""
    return pb.GetEvaluationSampleRequest(sample_id=sample_id)


def delete_sample(sample_id: str) -> pb.DeleteEvaluationSampleRequest:
    """A sample to delete."""
    return pb.DeleteEvaluationSampleRequest(sample_id=sample_id)


def evaluate_models(
    sample_id: str, model_ids: Sequence[str], *, host_class: str, allow_waiting: bool, with_noise: bool
) -> pb.EvaluateModelsRequest:
    """Models to run on a sample."""
    return pb.EvaluateModelsRequest(
        sample_id=sample_id,
        model_ids=model_ids,
        host_class=host_class,
        allow_waiting=allow_waiting,
        with_noise=with_noise,
    )


def submitted_from_proto(message: pb.EvaluateModelsResponse) -> Submitted:
    """What became of the wish to run models on a sample."""
    return Submitted(
        jobs=tuple(job_from_proto(job) for job in message.jobs),
        stored_model_ids=tuple(message.stored_model_ids),
        refused=tuple(
            RefusedModel(model_id=item.model_id, code=item.code, message=item.message) for item in message.refused
        ),
    )


def outputs_header(
    model: ModelReference, sample_id: str, classes: Sequence[str], row_count: int
) -> pb.AddOutputsRequest:
    """First message of an upload of outputs."""
    header = pb.AddOutputsRequest.Header(model=model, sample_id=sample_id, classes=classes, row_count=row_count)
    return pb.AddOutputsRequest(header=header)


def outputs_chunk(data: bytes) -> pb.AddOutputsRequest:
    """Next bytes of outputs."""
    return pb.AddOutputsRequest(chunk=data)


def download_outputs(model: ModelReference, sample_id: str) -> pb.DownloadOutputsRequest:
    """Outputs of a model on a sample to read back."""
    return pb.DownloadOutputsRequest(model=model, sample_id=sample_id)


def outputs_from_proto(header: pb.DownloadOutputsResponse.Header, data: bytes) -> Outputs:
    """Outputs from the header and all chunks of a download; raises ValueError where their sizes differ."""
    values = np.frombuffer(data, "<f4").reshape(header.row_count, len(header.classes))
    return Outputs(tuple(header.classes), values.astype(np.float32, copy=False), header.problem)


def put_validation(model: ModelReference, validation: Validation) -> pb.PutValidationRequest:
    """What was measured on labelled rows; who measured it, and when, the service says itself."""
    message = types_pb2.Validation(
        accuracy=validation.accuracy,
        row_count=validation.row_count,
        temperature=validation.temperature,
        mean_confidence=validation.mean_confidence,
        atc_threshold=validation.atc_threshold,
        confidence_counts=validation.confidence_counts,
        confidence_correct=validation.confidence_correct,
        class_prior=validation.class_prior,
        measured_by=validation.measured_by,
        sample_digest=validation.sample_digest,
    )
    return pb.PutValidationRequest(model=model, validation=message)


def list_evaluations(model_id: str, sample_id: str, page_size: int, page_token: str) -> pb.ListEvaluationsRequest:
    """A page of the evidence."""
    return pb.ListEvaluationsRequest(model_id=model_id, sample_id=sample_id, page_size=page_size, page_token=page_token)


def evaluation_from_proto(message: pb.Evaluation) -> Evaluation:
    """What is known of a model on a sample."""
    return Evaluation(
        model_id=message.model_id,
        model_name=message.model_name,
        sample_id=message.sample_id,
        row_count=message.row_count,
        accuracy=message.accuracy if message.HasField("accuracy") else None,
        low=message.low if message.HasField("low") else None,
        high=message.high if message.HasField("high") else None,
        job_id=message.job_id,
        created_at=time_from_proto(message.create_time),
    )


def calibrate(
    budget_s: float, filter: Filter, *, dry_run: bool, allow_waiting: bool, request_id: str
) -> pb.CalibrateRequest:
    """Evaluations to plan."""
    return pb.CalibrateRequest(
        request_id=request_id,
        budget=seconds_to_proto(budget_s),
        filter=filter_to_proto(filter),
        dry_run=dry_run,
        allow_waiting=allow_waiting,
    )


def calibration_from_proto(message: pb.CalibrateResponse) -> Calibration:
    """A plan of evaluations."""
    return Calibration(
        planned=tuple(
            PlannedEvaluation(
                model_id=item.model_id,
                model_name=item.model_name,
                sample_id=item.sample_id,
                dataset_id=item.dataset_id,
                value=item.value,
                estimate_s=item.estimate.ToNanoseconds() / 1e9,
                job_id=item.job_id,
            )
            for item in message.planned
        ),
        left_out=message.left_out_count,
        notices=tuple(message.notices),
    )


def get_predictor(*, with_data: bool) -> pb.GetPredictorRequest:
    """The predictor in use."""
    return pb.GetPredictorRequest(with_data=with_data)


def refit_predictor() -> pb.RefitPredictorRequest:
    """A new fit."""
    return pb.RefitPredictorRequest()


def predictor_from_proto(message: pb.PredictorInfo, notice: str = "") -> PredictorInfo:
    """What is known of a predictor."""
    return PredictorInfo(
        version=message.version,
        own_evidence_count=message.own_evidence_count,
        evidence_count=message.evidence_count,
        fitted_at=time_from_proto(message.fit_time) if message.HasField("fit_time") else None,
        detail=message.detail,
        digest=message.digest,
        notice=notice,
    )

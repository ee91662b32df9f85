"""Evaluation samples, outputs, evaluations and predictors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import TypeVar

from msearch.v1 import agent_service_pb2, types_pb2
from msearch.v1 import evaluation_service_pb2 as pb
from search_service.api.wire.catalogue import read_filter, read_validation
from search_service.api.wire.enums import read_enum, read_optional_modality
from search_service.api.wire.jobs import write_job
from search_service.api.wire.registry import read_reference
from search_service.api.wire.times import read_seconds, write_optional_time, write_seconds, write_time
from search_service.domain.evaluation import EvaluationSample, MeasuredBy, SampleKind, Validation
from search_service.usecases.calibrating import Calibration, PlannedEvaluation, Wanted
from search_service.usecases.evaluate_jobs import RefusedModel, Submitted, Wish
from search_service.usecases.evaluation_reports import EvaluationReport
from search_service.usecases.evaluations import NamedEvaluation, NewOutputs
from search_service.usecases.evidence import NewSample
from search_service.usecases.fields import Reference, invalid
from search_service.usecases.predictors import PredictorInUse
from search_service.usecases.stored_outputs import StoredOutputs

KIND_TO_PROTO: dict[SampleKind, pb.SampleKind.ValueType] = {
    SampleKind.TARGET: pb.SAMPLE_KIND_TARGET,
    SampleKind.VALIDATION: pb.SAMPLE_KIND_VALIDATION,
}
KIND_FROM_PROTO: dict[int, SampleKind] = {number: kind for kind, number in KIND_TO_PROTO.items()}

ROWS_TO_PROTO: dict[bool, pb.PutEvaluationSampleRequest.Content.ValueType] = {
    True: pb.PutEvaluationSampleRequest.CONTENT_ROWS,
    False: pb.PutEvaluationSampleRequest.CONTENT_POINTS,
}
ROWS_FROM_PROTO: dict[int, bool] = {number: rows for rows, number in ROWS_TO_PROTO.items()}

_UNKNOWN_TIME = datetime(1970, 1, 1, tzinfo=UTC)


def read_optional_kind(number: int, path: str) -> SampleKind | None:
    """None for UNSPECIFIED, which means any."""
    return None if number == pb.SAMPLE_KIND_UNSPECIFIED else read_enum(number, KIND_FROM_PROTO, path, _KINDS)


_KINDS = ", ".join(KIND_TO_PROTO)


def read_new_sample(header: pb.PutEvaluationSampleRequest.Header) -> tuple[NewSample, Reference | None]:
    """The sample, and the dataset it belongs to. Raises InvalidArgument for an enum or a duration that is none."""
    new = NewSample(
        kind=read_enum(header.kind, KIND_FROM_PROTO, "kind", _KINDS),
        digest=header.digest,
        size_bytes=header.size_bytes,
        rows=read_enum(header.content, ROWS_FROM_PROTO, "content", "rows, points"),
        label_column=header.label_column,
        modality=read_optional_modality(header.modality, "modality"),
        column=header.column,
        keep_s=read_seconds(header.keep, "keep"),
    )
    return new, read_reference(header.dataset, "dataset") if header.HasField("dataset") else None


def write_sample(sample: EvaluationSample) -> pb.EvaluationSample:
    return pb.EvaluationSample(
        id=sample.id,
        kind=KIND_TO_PROTO[sample.kind],
        dataset_id=sample.dataset_id,
        digest=sample.digest,
        size_bytes=sample.size_bytes,
        row_count=sample.row_count,
        has_rows=sample.has_rows,
        label_column=sample.label_column,
        classes=sample.classes,
        space_digest=sample.space_digest,
        create_time=write_time(sample.created_at),
        expire_time=write_optional_time(sample.expires_at),
    )


def read_wish(message: pb.EvaluateModelsRequest) -> Wish:
    return Wish(host_class=message.host_class, with_noise=message.with_noise, allow_waiting=message.allow_waiting)


def write_submitted(submitted: Submitted) -> pb.EvaluateModelsResponse:
    return pb.EvaluateModelsResponse(
        jobs=[write_job(job) for job in submitted.jobs],
        stored_model_ids=submitted.stored_model_ids,
        refused=[write_refused(refused) for refused in submitted.refused],
    )


def write_refused(refused: RefusedModel) -> pb.RefusedModel:
    return pb.RefusedModel(model_id=refused.model_id, code=refused.code, message=refused.message)


def read_new_outputs(header: pb.AddOutputsRequest.Header) -> NewOutputs:
    """Raises InvalidArgument if no model is named."""
    return NewOutputs(
        model=read_reference(header.model, "model"),
        sample_id=header.sample_id,
        classes=tuple(header.classes),
        row_count=header.row_count,
    )


def write_outputs_header(stored: StoredOutputs) -> pb.DownloadOutputsResponse:
    return pb.DownloadOutputsResponse(
        header=pb.DownloadOutputsResponse.Header(
            classes=stored.outputs.classes,
            row_count=len(stored.outputs.probabilities),
            problem=stored.problem,
        )
    )


def read_report(message: agent_service_pb2.CompleteEvaluationRequest.Header) -> EvaluationReport:
    """What the first message of a report says of the outputs."""
    return EvaluationReport(
        classes=tuple(message.outputs.classes),
        row_count=message.outputs.row_count,
        noisy_predictions=message.outputs.noisy_predictions,
        problem=message.outputs.problem,
    )


def read_told_validation(message: types_pb2.Validation) -> Validation:
    """What a client measured; when, and that it was a client, the service knows itself."""
    statistics, class_prior, sample_digest = read_validation(message)
    return Validation(
        statistics=statistics,
        measured_by=MeasuredBy.CLIENT,
        created_at=_UNKNOWN_TIME,
        class_prior=class_prior,
        sample_digest=sample_digest,
    )


def write_evaluation(named: NamedEvaluation) -> pb.Evaluation:
    evaluation = named.evaluation
    return pb.Evaluation(
        model_id=evaluation.model_id,
        model_name=named.model_name,
        sample_id=evaluation.sample_id,
        row_count=evaluation.row_count,
        accuracy=evaluation.accuracy,
        low=named.low,
        high=named.high,
        job_id=evaluation.job_id,
        create_time=write_time(evaluation.created_at),
    )


def read_wanted(message: pb.CalibrateRequest) -> Wanted:
    """Raises InvalidArgument for a budget that is no duration, or an unknown modality in the filter."""
    return Wanted(
        budget_s=read_seconds(message.budget, "budget"),
        filter=read_filter(message.filter, "filter"),
        dry_run=message.dry_run,
        allow_waiting=message.allow_waiting,
    )


def write_calibration(calibration: Calibration) -> pb.CalibrateResponse:
    return pb.CalibrateResponse(
        planned=[write_planned(one) for one in calibration.planned],
        left_out_count=calibration.left_out,
        notices=calibration.notices,
    )


def write_planned(one: PlannedEvaluation) -> pb.PlannedEvaluation:
    return pb.PlannedEvaluation(
        model_id=one.model_id,
        model_name=one.model_name,
        sample_id=one.sample_id,
        dataset_id=one.dataset_id,
        value=one.value,
        estimate=write_seconds(one.estimate_s),
        job_id=one.job_id,
    )


def write_predictor(found: PredictorInUse) -> pb.PredictorInfo:
    return pb.PredictorInfo(
        version=found.version,
        own_evidence_count=found.own_evidence_count,
        evidence_count=found.evidence_count,
        fit_time=write_optional_time(found.fitted_at),
        detail=found.detail,
        digest=found.digest,
    )


Streamed = TypeVar(
    "Streamed",
    pb.PutEvaluationSampleRequest,
    pb.AddOutputsRequest,
    agent_service_pb2.CompleteEvaluationRequest,
    agent_service_pb2.KeepFormRequest,
)


def read_first(messages: Iterator[Streamed]) -> Streamed:
    """The first message of an upload. Raises InvalidArgument if it is missing or a chunk."""
    first = next(messages, None)
    if first is None or first.WhichOneof("part") != "header":
        raise invalid("header", "the first message must be the header")
    return first


def read_chunks(messages: Iterable[Streamed]) -> Iterator[bytes]:
    """The following messages. Raises InvalidArgument for a second header."""
    for message in messages:
        if message.WhichOneof("part") != "chunk":
            raise invalid("chunk", "after the header only chunks may follow")
        yield message.chunk

"""Messages of jobs to the client's types and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from msearch.v1 import profiles_pb2 as pb
from msearch.v1 import profiling_service_pb2 as service
from msearch.v1 import registry_service_pb2 as registry
from msearch_client._errors import InternalError
from msearch_client._jobs import (
    Decision,
    Explanation,
    Failure,
    Job,
    JobSpec,
    JobState,
    Progress,
    RunLimits,
    SizeEstimate,
)
from msearch_client._loads import Batching, Load, Network, Scenario
from msearch_client._variants import Precision, Variant
from msearch_client._wire.evaluations import evaluate_from_proto
from msearch_client._wire.times import seconds_from_proto, seconds_to_proto, time_from_proto

Number = TypeVar("Number", bound=int)
Value = TypeVar("Value")

MS_PER_S = 1000.0

PRECISION_TO_PROTO: dict[Precision, pb.Precision.ValueType] = {
    Precision.FP32: pb.PRECISION_FP32,
    Precision.BF16: pb.PRECISION_BF16,
    Precision.FP16: pb.PRECISION_FP16,
    Precision.INT8_DYNAMIC: pb.PRECISION_INT8_DYNAMIC,
    Precision.INT8_STATIC: pb.PRECISION_INT8_STATIC,
}
SCENARIO_TO_PROTO: dict[Scenario, pb.Scenario.ValueType] = {
    Scenario.SINGLE_STREAM: pb.SCENARIO_SINGLE_STREAM,
    Scenario.MULTI_STREAM: pb.SCENARIO_MULTI_STREAM,
    Scenario.SERVER: pb.SCENARIO_SERVER,
    Scenario.OFFLINE: pb.SCENARIO_OFFLINE,
    Scenario.CONCURRENCY: pb.SCENARIO_CONCURRENCY,
    Scenario.FIND_PEAK: pb.SCENARIO_FIND_PEAK,
}
STATE_TO_PROTO: dict[JobState, pb.JobState.ValueType] = {
    JobState.PENDING: pb.JOB_STATE_PENDING,
    JobState.LEASED: pb.JOB_STATE_LEASED,
    JobState.SUCCEEDED: pb.JOB_STATE_SUCCEEDED,
    JobState.FAILED: pb.JOB_STATE_FAILED,
    JobState.CANCELLED: pb.JOB_STATE_CANCELLED,
}
STEP_FROM_PROTO: dict[service.DecisionStep.ValueType, str] = {
    service.DECISION_STEP_PLACED: "placed",
    service.DECISION_STEP_LEASED: "leased",
}
PRECISION_FROM_PROTO = {number: item for item, number in PRECISION_TO_PROTO.items()}
SCENARIO_FROM_PROTO = {number: item for item, number in SCENARIO_TO_PROTO.items()}
STATE_FROM_PROTO = {number: item for item, number in STATE_TO_PROTO.items()}


def read_enum(number: Number, known: Mapping[Number, Value], what: str) -> Value:
    """The value that an enum's number stands for.

    Raises:
        InternalError: the service knows a value that this client does not.
    """
    if number not in known:
        raise InternalError(f"the service answered with {what} {number}, which this client does not know")
    return known[number]


def variant_to_proto(variant: Variant) -> pb.Variant:
    """A variant."""
    return pb.Variant(
        backend=variant.backend,
        precision=PRECISION_TO_PROTO[variant.precision],
        batch_size=variant.batch_size,
        threads=variant.threads,
        mode=variant.mode,
        device=variant.device,
    )


def variant_from_proto(message: pb.Variant) -> Variant:
    """A variant."""
    return Variant(
        backend=message.backend,
        precision=read_enum(message.precision, PRECISION_FROM_PROTO, "precision"),
        batch_size=message.batch_size or 1,
        threads=message.threads or 1,
        mode=message.mode,
        device=message.device,
    )


def load_to_proto(load: Load) -> pb.Load:
    """A load."""
    batching, network = load.batching, load.network
    return pb.Load(
        scenario=SCENARIO_TO_PROTO[load.scenario],
        rate_per_s=load.rate_per_s,
        streams=load.streams,
        arrival=load.arrival,
        parameters=load.parameters,
        trace_s=load.trace_s,
        batching=None if batching is None else pb.Batching(
            max_batch=batching.max_batch, max_wait=seconds_to_proto(batching.max_wait_ms / MS_PER_S)
        ),
        p99_limit_ms=load.p99_limit_ms,
        network=None if network is None else pb.Network(
            round_trip_ms=network.round_trip_ms, up_mbit_per_s=network.up_mbit_per_s,
            down_mbit_per_s=network.down_mbit_per_s,
        ),
        pipeline=load.pipeline,
    )  # fmt: skip


def load_from_proto(message: pb.Load) -> Load:
    """A load."""
    batching, network = message.batching, message.network
    return Load(
        scenario=read_enum(message.scenario, SCENARIO_FROM_PROTO, "scenario"),
        rate_per_s=message.rate_per_s,
        streams=message.streams or 1,
        arrival=message.arrival or "poisson",
        parameters=dict(sorted(message.parameters.items())),
        trace_s=tuple(message.trace_s),
        batching=Batching(batching.max_batch, batching.max_wait.ToNanoseconds() / 1e6)
        if message.HasField("batching")
        else None,
        p99_limit_ms=message.p99_limit_ms,
        network=Network(network.round_trip_ms, network.up_mbit_per_s, network.down_mbit_per_s)
        if message.HasField("network")
        else None,
        pipeline=message.pipeline,
    )


def limits_to_proto(limits: RunLimits) -> pb.RunLimits:
    """When a run counts."""
    return pb.RunLimits(
        min_duration=None if limits.min_duration_s is None else seconds_to_proto(limits.min_duration_s),
        min_queries=limits.min_queries or 0,
        max_duration=None if limits.max_duration_s is None else seconds_to_proto(limits.max_duration_s),
        repeats=limits.repeats or 0,
        precision=limits.precision or 0.0,
        seed=limits.seed or 0,
        epsilon=limits.epsilon or 0.0,
    )


def limits_from_proto(message: pb.RunLimits) -> RunLimits:
    """When a run counts."""
    return RunLimits(
        min_duration_s=seconds_from_proto(message.min_duration),
        min_queries=message.min_queries or None,
        max_duration_s=seconds_from_proto(message.max_duration),
        repeats=message.repeats or None,
        precision=message.precision or None,
        seed=message.seed or None,
        epsilon=message.epsilon or None,
    )


def spec_to_proto(spec: JobSpec) -> pb.JobSpec:
    """What a job asks for."""
    return pb.JobSpec(
        model_id=spec.model_id,
        variants=[variant_to_proto(variant) for variant in spec.variants],
        loads=[load_to_proto(load) for load in spec.loads],
        limits=limits_to_proto(spec.limits),
        host_class=spec.host_class,
        labels=spec.labels,
        remote_target=spec.remote_target,
        deadline=None if spec.deadline_s is None else seconds_to_proto(spec.deadline_s),
        memory_limit_bytes=spec.memory_limit_bytes or 0,
    )


def spec_from_proto(message: pb.JobSpec) -> JobSpec:
    """What a job asks for."""
    return JobSpec(
        model_id=message.model_id,
        variants=tuple(variant_from_proto(variant) for variant in message.variants),
        loads=tuple(load_from_proto(load) for load in message.loads),
        limits=limits_from_proto(message.limits),
        host_class=message.host_class,
        labels=dict(sorted(message.labels.items())),
        remote_target=message.remote_target,
        deadline_s=seconds_from_proto(message.deadline),
        memory_limit_bytes=message.memory_limit_bytes or None,
        evaluate=evaluate_from_proto(message.evaluate) if message.HasField("evaluate") else None,
    )


def _failure_from_proto(message: pb.Failure) -> Failure:
    return Failure(message.code, message.message)


def job_from_proto(message: pb.Job) -> Job:
    """A job."""
    return Job(
        id=message.id,
        spec=spec_from_proto(message.spec),
        state=read_enum(message.state, STATE_FROM_PROTO, "job state"),
        attempt=message.attempt,
        max_attempts=message.max_attempts,
        agent_id=message.agent_id,
        progress=Progress(
            fraction=message.progress.fraction, stage=message.progress.stage, message=message.progress.message
        ),
        failure=_failure_from_proto(message.failure) if message.HasField("failure") else None,
        profile_ids=tuple(message.profile_ids),
        cancel_requested=message.cancel_requested,
        model_name=message.model_name,
        created_at=time_from_proto(message.create_time),
        leased_at=time_from_proto(message.lease_time) if message.HasField("lease_time") else None,
        expires_at=time_from_proto(message.expire_time) if message.HasField("expire_time") else None,
        ended_at=time_from_proto(message.end_time) if message.HasField("end_time") else None,
        attempt_failures=tuple(_failure_from_proto(item) for item in message.attempt_failures),
        priority=message.priority,
        experiment_id=message.experiment_id,
        submitted_by=message.submitted_by,
        estimate=SizeEstimate(
            seconds=message.estimate.duration.ToNanoseconds() / 1e9, predicted=message.estimate.predicted
        ),
    )


def submit_job(
    spec: JobSpec,
    model: registry.ModelReference | None,
    *,
    allow_waiting: bool,
    max_attempts: int,
    priority: int,
    experiment_id: str,
    request_id: str,
) -> service.SubmitJobRequest:
    """A new job."""
    return service.SubmitJobRequest(
        request_id=request_id,
        spec=spec_to_proto(spec),
        model=model,
        allow_waiting=allow_waiting,
        max_attempts=max_attempts,
        priority=priority,
        experiment_id=experiment_id,
    )


def get_job(job_id: str) -> service.GetJobRequest:
    """One job."""
    return service.GetJobRequest(job_id=job_id)


def list_jobs(
    state: JobState | None, model_id: str, experiment_id: str, page_size: int, page_token: str
) -> service.ListJobsRequest:
    """A page of jobs."""
    return service.ListJobsRequest(
        state=pb.JOB_STATE_UNSPECIFIED if state is None else STATE_TO_PROTO[state],
        model_id=model_id,
        experiment_id=experiment_id,
        page_size=page_size,
        page_token=page_token,
    )


def explain_job(job_id: str) -> service.ExplainJobRequest:
    """Why a job stands where it does."""
    return service.ExplainJobRequest(job_id=job_id)


def explanation_from_proto(message: service.ExplainJobResponse) -> Explanation:
    """Why a job stands where it does."""
    return Explanation(
        why=message.why,
        decisions=tuple(
            Decision(
                step=read_enum(decision.step, STEP_FROM_PROTO, "decision"),
                agent=decision.agent,
                reason=decision.reason,
                at=time_from_proto(decision.time),
            )
            for decision in message.decisions
        ),
        sizes=message.sizes,
    )


def cancel_job(job_id: str) -> service.CancelJobRequest:
    """The end of a job."""
    return service.CancelJobRequest(job_id=job_id)


def cancel_jobs(experiment_id: str) -> service.CancelJobsRequest:
    """The end of all jobs of an experiment."""
    return service.CancelJobsRequest(experiment_id=experiment_id)


def watch_job(job_id: str) -> service.WatchJobRequest:
    """A job whenever it changes."""
    return service.WatchJobRequest(job_id=job_id)

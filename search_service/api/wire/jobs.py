"""Variants, loads, job specs, jobs and leases."""

from __future__ import annotations

from msearch.v1 import agent_service_pb2, profiles_pb2
from search_service.api.wire.enums import (
    JOB_STATE_TO_PROTO,
    PRECISION_TO_PROTO,
    SCENARIO_TO_PROTO,
    read_precision,
    read_scenario,
)
from search_service.api.wire.times import (
    read_nanoseconds,
    read_seconds,
    write_nanoseconds,
    write_optional_time,
    write_seconds,
    write_time,
)
from search_service.domain.evaluation import EvaluateSpec
from search_service.domain.jobs import Failure, Job, Lease, Progress
from search_service.domain.profiling import Batching, JobSpec, Load, Network, RunLimits, Variant

DEFAULT_ARRIVAL = "poisson"


def write_variant(variant: Variant) -> profiles_pb2.Variant:
    return profiles_pb2.Variant(
        backend=variant.backend,
        precision=PRECISION_TO_PROTO[variant.precision],
        batch_size=variant.batch_size,
        threads=variant.threads,
        mode=variant.mode,
        device=variant.device,
    )


def read_variant(message: profiles_pb2.Variant, path: str) -> Variant:
    """Raises InvalidArgument for an unspecified or unknown precision."""
    return Variant(
        backend=message.backend,
        precision=read_precision(message.precision, f"{path}.precision"),
        batch_size=message.batch_size or 1,
        threads=message.threads or 1,
        mode=message.mode,
        device=message.device,
    )


def write_load(load: Load) -> profiles_pb2.Load:
    batching = None
    if load.batching is not None:
        batching = profiles_pb2.Batching(
            max_batch=load.batching.max_batch, max_wait=write_nanoseconds(load.batching.max_wait_ns)
        )
    network = None
    if load.network is not None:
        network = profiles_pb2.Network(
            round_trip_ms=load.network.round_trip_ms,
            up_mbit_per_s=load.network.up_mbit_per_s,
            down_mbit_per_s=load.network.down_mbit_per_s,
        )
    return profiles_pb2.Load(
        scenario=SCENARIO_TO_PROTO[load.scenario],
        rate_per_s=load.rate_per_s,
        streams=load.streams,
        arrival=load.arrival,
        parameters=load.parameters,
        trace_s=load.trace_s,
        batching=batching,
        p99_limit_ms=load.p99_limit_ms,
        network=network,
        pipeline=load.pipeline,
    )


def read_load(message: profiles_pb2.Load, path: str) -> Load:
    """Raises InvalidArgument for an unspecified or unknown scenario, or a wait that is no duration."""
    batching = None
    if message.batching.max_batch not in (0, 1):
        wait_ns = read_nanoseconds(message.batching.max_wait, f"{path}.batching.max_wait")
        batching = Batching(max_batch=message.batching.max_batch, max_wait_ns=wait_ns)
    return Load(
        scenario=read_scenario(message.scenario, f"{path}.scenario"),
        rate_per_s=message.rate_per_s,
        streams=message.streams or 1,
        arrival=message.arrival or DEFAULT_ARRIVAL,
        parameters=dict(message.parameters),
        trace_s=tuple(message.trace_s),
        batching=batching,
        p99_limit_ms=message.p99_limit_ms,
        network=_read_network(message) if message.HasField("network") else None,
        pipeline=message.pipeline,
    )


def _read_network(message: profiles_pb2.Load) -> Network:
    network = message.network
    return Network(
        round_trip_ms=network.round_trip_ms,
        up_mbit_per_s=network.up_mbit_per_s,
        down_mbit_per_s=network.down_mbit_per_s,
    )


def write_evaluate(spec: EvaluateSpec) -> profiles_pb2.EvaluateSpec:
    return profiles_pb2.EvaluateSpec(
        sample_id=spec.sample_id,
        sample_digest=spec.sample_digest,
        row_count=spec.row_count,
        with_noise=spec.with_noise,
        format=spec.format,
    )


def read_evaluate(message: profiles_pb2.EvaluateSpec) -> EvaluateSpec:
    return EvaluateSpec(
        sample_id=message.sample_id,
        sample_digest=message.sample_digest,
        row_count=message.row_count,
        with_noise=message.with_noise,
        format=message.format,
    )


def write_spec(spec: JobSpec) -> profiles_pb2.JobSpec:
    limits = spec.limits
    return profiles_pb2.JobSpec(
        model_id=spec.model_id,
        variants=[write_variant(variant) for variant in spec.variants],
        loads=[write_load(load) for load in spec.loads],
        limits=profiles_pb2.RunLimits(
            min_duration=write_seconds(limits.min_duration_s),
            min_queries=limits.min_queries,
            max_duration=write_seconds(limits.max_duration_s),
            repeats=limits.repeats,
            precision=limits.precision,
            seed=limits.seed,
            epsilon=limits.epsilon,
        ),
        host_class=spec.host_class,
        labels=spec.labels,
        remote_target=spec.remote_target,
        deadline=write_seconds(spec.deadline_s),
        memory_limit_bytes=spec.memory_limit_bytes,
        evaluate=None if spec.evaluate is None else write_evaluate(spec.evaluate),
    )


def read_spec(message: profiles_pb2.JobSpec, path: str) -> JobSpec:
    """Raises InvalidArgument for an unspecified or unknown value of an enum, or a duration that is none."""
    limits = message.limits
    return JobSpec(
        model_id=message.model_id,
        variants=tuple(
            read_variant(variant, f"{path}.variants[{position}]") for position, variant in enumerate(message.variants)
        ),
        loads=tuple(read_load(load, f"{path}.loads[{position}]") for position, load in enumerate(message.loads)),
        limits=RunLimits(
            min_duration_s=read_seconds(limits.min_duration, f"{path}.limits.min_duration"),
            min_queries=limits.min_queries,
            max_duration_s=read_seconds(limits.max_duration, f"{path}.limits.max_duration"),
            repeats=limits.repeats,
            precision=limits.precision,
            seed=limits.seed,
            epsilon=limits.epsilon,
        ),
        host_class=message.host_class,
        labels=dict(message.labels),
        remote_target=message.remote_target,
        deadline_s=read_seconds(message.deadline, f"{path}.deadline"),
        memory_limit_bytes=message.memory_limit_bytes,
        evaluate=read_evaluate(message.evaluate) if message.HasField("evaluate") else None,
    )


def write_failure(failure: Failure) -> profiles_pb2.Failure:
    return profiles_pb2.Failure(code=failure.code, message=failure.message)


def read_failure(message: profiles_pb2.Failure) -> Failure:
    return Failure(code=message.code, message=message.message)


def write_progress(progress: Progress) -> profiles_pb2.Progress:
    return profiles_pb2.Progress(fraction=progress.fraction, stage=progress.stage, message=progress.message)


def read_progress(message: profiles_pb2.Progress) -> Progress:
    return Progress(fraction=message.fraction, stage=message.stage, message=message.message)


def write_job(job: Job) -> profiles_pb2.Job:
    return profiles_pb2.Job(
        id=job.id,
        spec=write_spec(job.spec),
        state=JOB_STATE_TO_PROTO[job.state],
        attempt=job.attempt,
        max_attempts=job.max_attempts,
        agent_id=job.agent_id,
        progress=None if job.progress is None else write_progress(job.progress),
        failure=None if job.failure is None else write_failure(job.failure),
        profile_ids=job.profile_ids,
        cancel_requested=job.cancel_requested,
        model_name=job.model_name,
        create_time=write_time(job.created_at),
        lease_time=write_optional_time(job.leased_at),
        expire_time=write_optional_time(job.expires_at),
        end_time=write_optional_time(job.ended_at),
        attempt_failures=[write_failure(failure) for failure in job.attempt_failures],
        priority=job.priority,
        experiment_id=job.experiment_id,
        submitted_by=job.submitted_by,
        estimate=profiles_pb2.SizeEstimate(
            duration=write_seconds(job.estimate.seconds), predicted=job.estimate.predicted
        ),
    )


def write_lease(lease: Lease) -> agent_service_pb2.Lease:
    return agent_service_pb2.Lease(
        job_id=lease.job_id,
        attempt=lease.attempt,
        fencing_token=lease.fencing_token,
        expire_time=write_optional_time(lease.expires_at),
        duration=write_seconds(lease.duration_s),
    )


def read_lease(message: agent_service_pb2.Lease) -> Lease:
    """What proves the lease; its times are for the agent to know."""
    return Lease(job_id=message.job_id, attempt=message.attempt, fencing_token=message.fencing_token)

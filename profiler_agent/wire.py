"""Between messages and the agent's own words; `profile_wire` has what a job found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from google.protobuf.duration_pb2 import Duration

from msearch.v1 import agent_service_pb2 as agents
from msearch.v1 import profiles_pb2 as pb
from msearch.v1 import types_pb2 as types
from profiler_agent.backends.base import Probe
from profiler_agent.errors import JobError
from profiler_agent.evaluation_wire import read_evaluate
from profiler_agent.work import (
    Assignment,
    Batching,
    Failure,
    JobSpec,
    Lease,
    Load,
    ModelFacts,
    Network,
    Precision,
    Progress,
    RunLimits,
    SampleFacts,
    Scenario,
    TensorSpec,
    Variant,
)

PRECISION_TO_PROTO: dict[Precision, pb.Precision.ValueType] = {
    Precision.FP32: pb.PRECISION_FP32,
    Precision.BF16: pb.PRECISION_BF16,
    Precision.FP16: pb.PRECISION_FP16,
    Precision.INT8_DYNAMIC: pb.PRECISION_INT8_DYNAMIC,
    Precision.INT8_STATIC: pb.PRECISION_INT8_STATIC,
}
PRECISION_FROM_PROTO: dict[int, Precision] = {number: value for value, number in PRECISION_TO_PROTO.items()}

SCENARIO_TO_PROTO: dict[Scenario, pb.Scenario.ValueType] = {
    Scenario.SINGLE_STREAM: pb.SCENARIO_SINGLE_STREAM,
    Scenario.MULTI_STREAM: pb.SCENARIO_MULTI_STREAM,
    Scenario.SERVER: pb.SCENARIO_SERVER,
    Scenario.OFFLINE: pb.SCENARIO_OFFLINE,
    Scenario.CONCURRENCY: pb.SCENARIO_CONCURRENCY,
    Scenario.FIND_PEAK: pb.SCENARIO_FIND_PEAK,
}
SCENARIO_FROM_PROTO: dict[int, Scenario] = {number: value for value, number in SCENARIO_TO_PROTO.items()}


def read_variant(message: pb.Variant) -> Variant:
    if message.precision not in PRECISION_FROM_PROTO:
        raise JobError(f"the precision {message.precision} is unknown to this agent: upgrade it")
    return Variant(
        backend=message.backend,
        precision=PRECISION_FROM_PROTO[message.precision],
        batch_size=message.batch_size or 1,
        threads=message.threads or 1,
        mode=message.mode,
        device=message.device,
    )


def write_variant(variant: Variant) -> pb.Variant:
    return pb.Variant(
        backend=variant.backend,
        precision=PRECISION_TO_PROTO[variant.precision],
        batch_size=variant.batch_size,
        threads=variant.threads,
        mode=variant.mode,
        device=variant.device,
    )


def read_load(message: pb.Load) -> Load:
    if message.scenario not in SCENARIO_FROM_PROTO:
        raise JobError(f"the scenario {message.scenario} is unknown to this agent: upgrade it")
    batching = None
    if message.HasField("batching") and message.batching.max_batch > 1:
        batching = Batching(max_batch=message.batching.max_batch, max_wait_ns=message.batching.max_wait.ToNanoseconds())
    return Load(
        scenario=SCENARIO_FROM_PROTO[message.scenario],
        rate_per_s=message.rate_per_s,
        streams=message.streams or 1,
        arrival=message.arrival or "poisson",
        parameters=dict(message.parameters),
        trace_s=tuple(message.trace_s),
        batching=batching,
        p99_limit_ms=message.p99_limit_ms,
        network=_read_network(message.network) if message.HasField("network") else None,
        pipeline=message.pipeline,
    )


def _read_network(message: pb.Network) -> Network:
    return Network(
        round_trip_ms=message.round_trip_ms,
        up_mbit_per_s=message.up_mbit_per_s,
        down_mbit_per_s=message.down_mbit_per_s,
    )


def write_load(load: Load) -> pb.Load:
    message = pb.Load(
        scenario=SCENARIO_TO_PROTO[load.scenario],
        rate_per_s=load.rate_per_s,
        streams=load.streams,
        arrival=load.arrival,
        parameters=dict(load.parameters),
        trace_s=load.trace_s,
        p99_limit_ms=load.p99_limit_ms,
        pipeline=load.pipeline,
    )
    if load.batching is not None:
        message.batching.max_batch = load.batching.max_batch
        message.batching.max_wait.FromNanoseconds(load.batching.max_wait_ns)
    if load.network is not None:
        message.network.round_trip_ms = load.network.round_trip_ms
        message.network.up_mbit_per_s = load.network.up_mbit_per_s
        message.network.down_mbit_per_s = load.network.down_mbit_per_s
    return message


def read_limits(message: pb.RunLimits) -> RunLimits:
    """Fields that are 0 or unset take the defaults."""
    known = RunLimits()
    return RunLimits(
        min_duration_s=_seconds(message.min_duration) or known.min_duration_s,
        min_queries=message.min_queries or known.min_queries,
        max_duration_s=_seconds(message.max_duration) or known.max_duration_s,
        repeats=message.repeats or known.repeats,
        precision=message.precision or known.precision,
        seed=message.seed or known.seed,
        epsilon=message.epsilon or known.epsilon,
    )


def read_spec(message: pb.JobSpec) -> JobSpec:
    known = JobSpec(model_id="", variants=(), loads=())
    return JobSpec(
        model_id=message.model_id,
        variants=tuple(read_variant(variant) for variant in message.variants),
        loads=tuple(read_load(load) for load in message.loads),
        limits=read_limits(message.limits),
        remote_target=message.remote_target,
        deadline_s=_seconds(message.deadline) or known.deadline_s,
        memory_limit_bytes=message.memory_limit_bytes or known.memory_limit_bytes,
        evaluate=read_evaluate(message.evaluate) if message.HasField("evaluate") else None,
    )


def read_lease(message: agents.Lease) -> Lease:
    return Lease(
        job_id=message.job_id,
        attempt=message.attempt,
        fencing_token=message.fencing_token,
        duration_s=_seconds(message.duration),
    )


def write_lease(lease: Lease) -> agents.Lease:
    return agents.Lease(job_id=lease.job_id, attempt=lease.attempt, fencing_token=lease.fencing_token)


def read_assignment(message: agents.AcquireJobResponse) -> Assignment:
    """Raises JobError for a job that this version does not understand."""
    return Assignment(
        lease=read_lease(message.lease),
        spec=read_spec(message.job.spec),
        model=read_model(message.model) if message.HasField("model") else None,
        sample=read_sample(message.sample) if message.HasField("sample") else None,
    )


def read_model(message: types.Model) -> ModelFacts:
    return ModelFacts(
        id=message.id,
        name=message.name,
        version=message.version,
        format=message.artifact.format,
        digest=message.artifact.digest,
        size_bytes=message.artifact.size_bytes,
        uri=message.artifact.uri,
        card_json=message.card_json,
        inputs=_read_tensors(message.inputs),
        outputs=_read_tensors(message.outputs),
        classes=tuple(message.classes),
    )


def read_sample(message: types.DatasetSample) -> SampleFacts:
    return SampleFacts(
        digest=message.digest,
        size_bytes=message.size_bytes,
        row_count=message.row_count,
        label_column=message.label_column,
    )


def write_progress(progress: Progress) -> pb.Progress:
    return pb.Progress(fraction=progress.fraction, stage=progress.stage, message=progress.message)


def write_failure(failure: Failure) -> pb.Failure:
    return pb.Failure(code=failure.code, message=failure.message)


def write_backend(name: str, probe: Probe) -> pb.BackendStatus:
    return pb.BackendStatus(
        name=name,
        available=probe.available,
        detail=probe.detail,
        version=probe.version,
        devices=probe.devices,
        precisions=[PRECISION_TO_PROTO[precision] for precision in probe.precisions],
    )


def write_agent(
    *, name: str, host_class: str, host_json: str, backends: Mapping[str, Probe], labels: Mapping[str, str],
    capacity: int, version: str, evaluates: Sequence[str] = (), devices: Sequence[str] = (),
) -> pb.Agent:  # fmt: skip
    return pb.Agent(
        name=name,
        host_class=host_class,
        host_json=host_json,
        backends=[write_backend(backend, probe) for backend, probe in backends.items()],
        labels=dict(labels),
        capacity=capacity,
        version=version,
        evaluates=evaluates,
        devices=devices,
    )


def duration(seconds: float) -> Duration:
    """A duration message."""
    message = Duration()
    message.FromNanoseconds(round(seconds * 1e9))
    return message


def _seconds(message: Duration) -> float:
    return message.ToNanoseconds() / 1e9


def _read_tensors(messages: Sequence[types.Tensor]) -> tuple[TensorSpec, ...]:
    return tuple(
        TensorSpec(name=message.name, element_type=message.element_type, shape=_read_shape(message.shape))
        for message in messages
    )


def _read_shape(dimensions: Sequence[types.Tensor.Dimension]) -> tuple[int | str | None, ...]:
    return tuple(_read_extent(dimension) for dimension in dimensions)


def _read_extent(dimension: types.Tensor.Dimension) -> int | str | None:
    kind = dimension.WhichOneof("extent")
    if kind is None:
        return None
    return dimension.size if kind == "size" else dimension.symbol

"""The agent's words on the wire and back, and the service's reading of what the agent writes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from msearch.v1 import agent_service_pb2 as agents
from msearch.v1 import profiles_pb2 as pb
from msearch.v1 import types_pb2 as types
from profiler_agent import wire
from profiler_agent.errors import JobError
from profiler_agent.profile_wire import write_profile
from profiler_agent.work import (
    Batching,
    InvalidReason,
    Lease,
    Load,
    Measurement,
    Network,
    Precision,
    Profile,
    RunLimits,
    RunSummary,
    Scenario,
    Variant,
)
from search_service.api.wire.profiles import read_profile

VARIANT = Variant(
    backend="openvino", precision=Precision.INT8_STATIC, batch_size=4, threads=2, mode="static", device="cpu"
)
LOAD = Load(
    scenario=Scenario.SERVER,
    rate_per_s=12.5,
    arrival="gamma",
    parameters={"cv": 2.0},
    batching=Batching(max_batch=8, max_wait_ns=2_500_000),
    network=Network(round_trip_ms=40.0, up_mbit_per_s=10.5, down_mbit_per_s=30.0),
    pipeline=True,
    p99_limit_ms=20.0,
)
MEASUREMENT = Measurement(name="p50_ms", value=1.25, unit="ms", low=1.0, high=1.5, source="requests", detail="d")
REASON = InvalidReason("disturbed", "others were busy")
PROFILE = Profile(
    variant=VARIANT,
    load=LOAD,
    load_text="server:12.5,gamma,cv=2,batch=8,wait_ms=2.5,limit_ms=20",
    reasons=(),
    measurements=(MEASUREMENT, replace(MEASUREMENT, name="energy_j", low=None, high=None, source="none")),
    histogram="HISTFAAA",
    runs=(
        RunSummary(
            reasons=(REASON,), measurements=(MEASUREMENT,), schedule_digest="ab" * 32,
            started_at=datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC),
        ),
    ),
    offered=False,
    offer_reason="rejected: slower",
    verified_on="sample",
    versions={"openvino": "2026.4.1"},
)  # fmt: skip


@pytest.mark.parametrize("precision", list(Precision))
def test_variants_read_back(precision: Precision) -> None:
    variant = replace(VARIANT, precision=precision)
    assert wire.read_variant(wire.write_variant(variant)) == variant


@pytest.mark.parametrize("scenario", list(Scenario))
def test_loads_read_back(scenario: Scenario) -> None:
    load = replace(LOAD, scenario=scenario, trace_s=(0.0, 0.5))
    assert wire.read_load(wire.write_load(load)) == load


def test_what_is_left_out_takes_its_default() -> None:
    spec = wire.read_spec(
        pb.JobSpec(
            variants=[pb.Variant(backend="null", precision=pb.PRECISION_FP32)],
            loads=[pb.Load(scenario=pb.SCENARIO_OFFLINE)],
        )
    )
    assert spec.limits == RunLimits()
    assert spec.variants == (Variant(backend="null"),)
    assert spec.loads == (Load(scenario=Scenario.OFFLINE),)
    assert spec.deadline_s == 900
    assert spec.memory_limit_bytes == 8 << 30


def test_limits_are_read() -> None:
    message = pb.RunLimits(min_queries=7, repeats=2, precision=0.1, seed=9, epsilon=0.5)
    message.min_duration.FromMilliseconds(1500)
    message.max_duration.FromSeconds(3)
    assert wire.read_limits(message) == RunLimits(
        min_duration_s=1.5, min_queries=7, max_duration_s=3.0, repeats=2, precision=0.1, seed=9, epsilon=0.5
    )


def test_a_precision_or_scenario_of_a_newer_service_is_told() -> None:
    with pytest.raises(JobError, match="precision 99 is unknown to this agent"):
        wire.read_variant(pb.Variant(backend="x", precision=99))  # type: ignore[arg-type]  # that is the point
    with pytest.raises(JobError, match="scenario 99 is unknown to this agent"):
        wire.read_load(pb.Load(scenario=99))  # type: ignore[arg-type]  # as above


def test_leases_read_back() -> None:
    message = agents.Lease(job_id="job", attempt=2, fencing_token=77)
    message.duration.FromSeconds(30)
    lease = wire.read_lease(message)
    assert lease == Lease(job_id="job", attempt=2, fencing_token=77, duration_s=30.0)
    assert wire.write_lease(lease).fencing_token == 77


def test_an_assignment_holds_model_and_sample_where_there_are_some() -> None:
    message = agents.AcquireJobResponse(
        job=pb.Job(spec=pb.JobSpec(model_id="m")),
        model=types.Model(
            id="m", name="n", version="1", card_json="{}",
            artifact=types.Artifact(format="onnx", digest="ab", size_bytes=3),
            inputs=[types.Tensor(name="x", element_type="float32", shape=[
                types.Tensor.Dimension(symbol="n"), types.Tensor.Dimension(size=4), types.Tensor.Dimension(),
            ])],
        ),
        sample=types.DatasetSample(digest="cd", size_bytes=5, row_count=2, label_column="label"),
    )  # fmt: skip
    assignment = wire.read_assignment(message)
    assert assignment.model is not None
    assert assignment.model.inputs[0].shape == ("n", 4, None)
    assert assignment.sample is not None
    assert assignment.sample.label_column == "label"
    assert wire.read_assignment(agents.AcquireJobResponse()).model is None


def test_the_service_reads_profiles_as_the_agent_means_them() -> None:
    message = write_profile(PROFILE, host_class="xeon-1", host_json="{}")
    read = read_profile(message, "profiles[0]")
    assert read.variant.backend == PROFILE.variant.backend
    assert read.variant.precision.value == PROFILE.variant.precision.value
    assert read.load.batching is not None
    assert read.load.batching.max_wait_ns == 2_500_000
    assert [one.name for one in read.measurements] == ["p50_ms", "energy_j"]
    assert (read.measurements[0].low, read.measurements[0].high) == (1.0, 1.5)
    assert not read.measurements[1].measured
    assert read.valid
    assert not read.runs[0].valid
    assert read.runs[0].started_at == PROFILE.runs[0].started_at
    assert not read.offered
    assert read.versions == {"openvino": "2026.4.1"}

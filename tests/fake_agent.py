"""A profiler agent that measures nothing: its calls, and jobs and profiles to make them with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from google.protobuf.duration_pb2 import Duration

from msearch.v1 import agent_service_pb2 as gpb
from msearch.v1 import profiles_pb2 as ppb
from msearch.v1.agent_service_pb2_grpc import AgentServiceStub

Metadata = Sequence[tuple[str, str]]


def bearer(secret: str) -> Metadata:
    """The metadata that carries a token."""
    return (("authorization", f"Bearer {secret}"),)


def an_agent(name: str = "one", **fields: Any) -> ppb.Agent:
    """An agent that has the backends null and onnxruntime, and knows why it lacks tensorrt."""
    values = {
        "host_class": "cpu-x86-0123",
        "host_json": '{"cpu": "x86"}',
        "backends": [
            ppb.BackendStatus(name="null", available=True, devices=["cpu"], precisions=[ppb.PRECISION_FP32]),
            ppb.BackendStatus(
                name="onnxruntime",
                available=True,
                version="1.31.1",
                devices=["cpu"],
                precisions=[ppb.PRECISION_FP32, ppb.PRECISION_INT8_DYNAMIC],
            ),
            ppb.BackendStatus(name="tensorrt", detail="no GPU here"),
        ],
        "labels": {"room": "north"},
        "capacity": 1,
        "version": "0.1.0",
    }
    return ppb.Agent(name=name, **(values | fields))


def a_spec(backend: str = "null", **fields: Any) -> ppb.JobSpec:
    """A job for one variant under one load."""
    values = {
        "variants": [ppb.Variant(backend=backend, precision=ppb.PRECISION_FP32)],
        "loads": [ppb.Load(scenario=ppb.SCENARIO_SERVER, rate_per_s=100)],
    }
    return ppb.JobSpec(**(values | fields))


def a_profile(backend: str = "null", **fields: Any) -> ppb.Profile:
    """What an agent reports of it."""
    values = {
        "variant": ppb.Variant(backend=backend, precision=ppb.PRECISION_FP32),
        "load": ppb.Load(scenario=ppb.SCENARIO_SERVER, rate_per_s=100),
        "verdict": ppb.VERDICT_VALID,
        "measurements": [
            ppb.Measurement(name="p99_ms", value=3.5, unit="ms", low=3.0, high=4.0, source="requests"),
            ppb.Measurement(name="energy_j", source="none", detail="no counter"),
        ],
        "histogram": "HISTFAAA",
        "runs": [ppb.RunSummary(verdict=ppb.VERDICT_VALID, schedule_digest="ab" * 32)],
        "offer": ppb.OFFER_OFFERED,
        "offer_reason": "the yardstick",
        "verified_on": "generated",
        "versions": {"onnxruntime": "1.31.1"},
    }
    return ppb.Profile(**(values | fields))


class FakeAgent:
    """Calls AgentService as an agent does; `id` is known once it is registered."""

    def __init__(self, stub: AgentServiceStub, name: str = "one", metadata: Metadata = (), **fields: Any) -> None:
        self.stub = stub
        self.metadata = metadata
        self.description = an_agent(name, **fields)
        self.id = ""

    def register(self) -> FakeAgent:
        answer = self.stub.RegisterAgent(gpb.RegisterAgentRequest(agent=self.description), metadata=self.metadata)
        self.id = answer.agent.id
        return self

    def acquire(self, wait_s: float = 0.0) -> gpb.AcquireJobResponse:
        request = gpb.AcquireJobRequest(agent_id=self.id, wait=Duration(nanos=0))
        request.wait.FromNanoseconds(round(wait_s * 1e9))
        answer: gpb.AcquireJobResponse = self.stub.AcquireJob(request, metadata=self.metadata)
        return answer

    def renew(self, lease: gpb.Lease) -> gpb.RenewLeaseResponse:
        answer: gpb.RenewLeaseResponse = self.stub.RenewLease(
            gpb.RenewLeaseRequest(lease=lease), metadata=self.metadata
        )
        return answer

    def progress(self, lease: gpb.Lease, fraction: float, stage: str = "measure") -> None:
        progress = ppb.Progress(fraction=fraction, stage=stage, message="run 1 of 5")
        self.stub.ReportProgress(gpb.ReportProgressRequest(lease=lease, progress=progress), metadata=self.metadata)

    def complete(self, lease: gpb.Lease, *profiles: ppb.Profile) -> ppb.Job:
        request = gpb.CompleteJobRequest(lease=lease, profiles=profiles or [a_profile()])
        job: ppb.Job = self.stub.CompleteJob(request, metadata=self.metadata).job
        return job

    def fail(self, lease: gpb.Lease, code: str = "crashed", *, retry: bool = False) -> ppb.Job:
        failure = ppb.Failure(code=code, message=f"it {code}")
        request = gpb.FailJobRequest(lease=lease, failure=failure, retry=retry)
        job: ppb.Job = self.stub.FailJob(request, metadata=self.metadata).job
        return job

    def release(self, lease: gpb.Lease) -> None:
        self.stub.ReleaseJob(gpb.ReleaseJobRequest(lease=lease), metadata=self.metadata)

    def fetch(self, lease: gpb.Lease, part: gpb.FetchForJobRequest.Part.ValueType) -> list[bytes]:
        request = gpb.FetchForJobRequest(lease=lease, part=part)
        return [message.chunk for message in self.stub.FetchForJob(request, metadata=self.metadata)]

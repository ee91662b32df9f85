"""A service for tests of the client: the real stubs over a real socket, answering from what a test puts in."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc.code_pb2 import Code
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status
from hdrh.histogram import HdrHistogram

from msearch.v1 import access_service_pb2 as access
from msearch.v1 import access_service_pb2_grpc as access_grpc
from msearch.v1 import profiles_pb2 as profiles
from msearch.v1 import profiling_service_pb2 as profiling
from msearch.v1 import profiling_service_pb2_grpc as profiling_grpc
from msearch.v1 import registry_service_pb2 as registry
from msearch.v1 import registry_service_pb2_grpc as registry_grpc
from msearch.v1 import search_service_pb2 as search
from msearch.v1 import search_service_pb2_grpc as search_grpc
from msearch.v1 import types_pb2 as types

START = 1_790_000_000
HOST_CLASS = "epyc-9b14-16cpu-1a2b3c"


class Script(
    registry_grpc.RegistryServiceServicer,
    search_grpc.SearchServiceServicer,
    profiling_grpc.ProfilingServiceServicer,
    access_grpc.AccessServiceServicer,
):
    """Answers from its dictionaries; `asked` holds the requests in order, `tokens_seen` the metadata of each.

    `watches` are lists of jobs, one a call of WatchJob; a number among them is a status to break off with, an event is
    waited for.
    `failures` maps a method's name to the failure of its next call.
    """

    def __init__(self) -> None:
        self.models: dict[str, types.Model] = {}
        self.datasets: dict[str, types.Dataset] = {}
        self.jobs: dict[str, profiles.Job] = {}
        self.profiles: dict[str, profiles.Profile] = {}
        self.agents: dict[str, profiles.Agent] = {}
        self.tokens: dict[str, access.Token] = {}
        self.watches: list[list[profiles.Job | int | threading.Event]] = []
        self.rankings: list[search.Ranking] = []
        self.failures: dict[str, tuple[int, str, str]] = {}
        self.samples: dict[str, bytes] = {}
        self.asked: list[Any] = []
        self.tokens_seen: list[str] = []

    def requests(self, kind: type) -> list[Any]:
        """The requests of a type, oldest first."""
        return [request for request in self.asked if isinstance(request, kind)]

    def _note(self, request: Any, context: grpc.ServicerContext, method: str = "") -> None:
        self.asked.append(request)
        self.tokens_seen.append(dict(context.invocation_metadata()).get("authorization", ""))
        name = method or type(request).__name__.removesuffix("Request")
        if name in self.failures:
            refuse(context, *self.failures.pop(name))

    def _model(self, reference: registry.ModelReference, context: grpc.ServicerContext) -> types.Model:
        for model in self.models.values():
            if reference.id == model.id or reference.name in (model.name, f"{model.name}@{model.version}"):
                return model
        refuse(context, Code.NOT_FOUND, "MODEL_NOT_FOUND", f"no model {reference.name or reference.id}")
        raise AssertionError

    def GetModel(self, request: Any, context: Any) -> Any:  # noqa: N802
        self._note(request, context)
        return registry.GetModelResponse(model=self._model(request.model, context))

    def GetDataset(self, request: Any, context: Any) -> Any:  # noqa: N802
        self._note(request, context)
        return registry.GetDatasetResponse(dataset=self.datasets[request.dataset.name])

    def PutDatasetSample(self, request_iterator: Any, context: Any) -> Any:  # noqa: N802
        first = next(request_iterator)
        self._note(first, context, "PutDatasetSample")
        name = first.header.dataset.name or first.header.dataset.id
        self.samples[name] = b"".join(message.chunk for message in request_iterator)
        self.datasets[name].sample.CopyFrom(first.header.sample)
        return registry.PutDatasetSampleResponse(dataset=self.datasets[name])

    def DeleteDatasetSample(self, request: Any, context: Any) -> Any:  # noqa: N802
        self._note(request, context)
        dataset = self.datasets[request.dataset.name or "mnist"]
        dataset.ClearField("sample")
        return registry.DeleteDatasetSampleResponse(dataset=dataset)

    def Search(self, request: Any, context: Any) -> Any:  # noqa: N802
        self._note(request, context)
        return search.SearchResponse(ranking=self.rankings.pop(0))

    def SubmitJob(self, request: Any, context: Any) -> Any:  # noqa: N802
        self._note(request, context)
        job = profiles.Job(id=f"job-{len(self.jobs) + 1}", state=profiles.JOB_STATE_PENDING, max_attempts=3)
        job.spec.CopyFrom(request.spec)
        if request.HasField("model"):
            model = self._model(request.model, context)
            job.spec.model_id, job.model_name = model.id, f"{model.name}@{model.version}"
        job.create_time.seconds = START
        job.priority, job.experiment_id = request.priority, request.experiment_id
        self.jobs[job.id] = job
        return profiling.SubmitJobResponse(job=job)

    def _job(self, job_id: str, context: grpc.ServicerContext) -> profiles.Job:
        if job_id not in self.jobs:
            refuse(context, Code.NOT_FOUND, "JOB_NOT_FOUND", f"no job {job_id}")
        return self.jobs[job_id]

    def GetJob(self, request: Any, context: Any) -> Any:  # noqa: N802
        self._note(request, context)
        return profiling.GetJobResponse(job=self._job(request.job_id, context))

    def ExplainJob(self, request: Any, context: Any) -> Any:  # noqa: N802
        self._note(request, context)
        self._job(request.job_id, context)
        answer = profiling.ExplainJobResponse(
            why="waited 12 s for agent bench-1; it can start when the agent asks",
            sizes="sizes are not trusted before 10 jobs have ended (0 have)",
        )
        for agent, reason in (("", "no agent is registered"), ("bench-1", "agent bench-1 has the fewest jobs, 0")):
            decision = answer.decisions.add(step=profiling.DECISION_STEP_PLACED, agent=agent, reason=reason)
            decision.time.seconds = START
        return answer

    def ListJobs(self, request: Any, context: Any) -> Any:  # noqa: N802
        self._note(request, context)
        found = [job for job in self.jobs.values() if request.state in (0, job.state)]
        found = [job for job in found if request.experiment_id in ("", job.experiment_id)]
        return profiling.ListJobsResponse(jobs=found, total_size=len(found))

    def CancelJob(self, request: Any, context: Any) -> Any:  # noqa: N802
        self._note(request, context)
        job = self._job(request.job_id, context)
        if job.state == profiles.JOB_STATE_PENDING:
            job.state = profiles.JOB_STATE_CANCELLED
        elif job.state == profiles.JOB_STATE_LEASED:
            job.cancel_requested = True
        return profiling.CancelJobResponse(job=job)

    def CancelJobs(self, request: Any, context: Any) -> Any:  # noqa: N802
        self._note(request, context)
        found = [job for job in self.jobs.values() if job.experiment_id == request.experiment_id]
        held = sum(job.state == profiles.JOB_STATE_LEASED for job in found)
        return profiling.CancelJobsResponse(cancelled_count=len(found) - held, asked_count=held)

    def WatchJob(self, request: Any, context: Any) -> Iterator[Any]:  # noqa: N802
        self._note(request, context)
        self._job(request.job_id, context)
        for item in self.watches.pop(0):
            if isinstance(item, threading.Event):
                item.wait(60)
                continue
            if isinstance(item, int):
                refuse(context, item, "", "the service stops")
                return
            self.jobs[item.id] = item
            yield profiling.WatchJobResponse(job=item)

    def GetProfile(self, request: Any, context: Any) -> Any:  # noqa: N802
        self._note(request, context)
        if request.profile_id not in self.profiles:
            refuse(context, Code.NOT_FOUND, "PROFILE_NOT_FOUND", f"no profile {request.profile_id}")
        return profiling.GetProfileResponse(profile=self.profiles[request.profile_id])

    def GetProfiles(self, request: Any, context: Any) -> Any:  # noqa: N802
        self._note(request, context)
        found = [self.profiles[key] for key in request.profile_ids if key in self.profiles]
        return profiling.GetProfilesResponse(profiles=found)

    def ListProfiles(self, request: Any, context: Any) -> Any:  # noqa: N802
        self._note(request, context)
        if request.HasField("model"):
            self._model(request.model, context)
        found = []
        for whole in self.profiles.values():
            hidden = whole.verdict == profiles.VERDICT_INVALID and not request.include_invalid
            other_load = request.load_text not in ("", whole.load_text)
            if hidden or other_load or request.backend not in ("", whole.variant.backend):
                continue
            found.append(profiles.Profile())
            found[-1].CopyFrom(whole)
            found[-1].ClearField("histogram")
            found[-1].ClearField("runs")
        return profiling.ListProfilesResponse(profiles=found[::-1], total_size=len(found))

    def ListAgents(self, request: Any, context: Any) -> Any:  # noqa: N802
        self._note(request, context)
        return profiling.ListAgentsResponse(agents=self.agents.values())

    def GetAgent(self, request: Any, context: Any) -> Any:  # noqa: N802
        self._note(request, context)
        if request.agent not in self.agents:
            refuse(context, Code.NOT_FOUND, "AGENT_NOT_FOUND", f"no agent {request.agent}")
        return profiling.GetAgentResponse(agent=self.agents[request.agent])

    def DrainAgent(self, request: Any, context: Any) -> Any:  # noqa: N802
        self._note(request, context)
        agent = self.agents[request.agent]
        agent.state = profiles.AGENT_STATE_ACTIVE if request.undo else profiles.AGENT_STATE_DRAINING
        return profiling.DrainAgentResponse(agent=agent)

    def CreateToken(self, request: Any, context: Any) -> Any:  # noqa: N802
        self._note(request, context)
        token = access.Token(id=f"tok-{len(self.tokens) + 1}", name=request.name, role=request.role)
        token.create_time.seconds = START
        if request.HasField("expire_time"):
            token.expire_time.CopyFrom(request.expire_time)
        self.tokens[token.name] = token
        return access.CreateTokenResponse(token=token, secret="msearch_s3cret")

    def ListTokens(self, request: Any, context: Any) -> Any:  # noqa: N802
        self._note(request, context)
        return access.ListTokensResponse(tokens=self.tokens.values())

    def RevokeToken(self, request: Any, context: Any) -> Any:  # noqa: N802
        self._note(request, context)
        if request.token not in self.tokens:
            refuse(context, Code.NOT_FOUND, "TOKEN_NOT_FOUND", f"no token {request.token}")
        self.tokens[request.token].revoke_time.seconds = START + 60
        return access.RevokeTokenResponse(token=self.tokens[request.token])


def refuse(context: grpc.ServicerContext, code: int, reason: str, message: str) -> None:
    """Ends a call as the service does: status, message, and an ErrorInfo where there is a reason."""
    details = []
    if reason:
        details.append(AnyMessage())
        details[0].Pack(ErrorInfo(domain="msearch", reason=reason))
    status: Any = Status(code=code, message=message, details=details)
    context.abort_with_status(rpc_status.to_status(status))


@contextmanager
def scripted_service(script: Script, credentials: grpc.ServerCredentials | None = None) -> Iterator[str]:
    """Serves on a free port of 127.0.0.1 and gives the address."""
    server = grpc.server(ThreadPoolExecutor(8))
    registry_grpc.add_RegistryServiceServicer_to_server(script, server)
    search_grpc.add_SearchServiceServicer_to_server(script, server)
    profiling_grpc.add_ProfilingServiceServicer_to_server(script, server)
    access_grpc.add_AccessServiceServicer_to_server(script, server)
    if credentials is None:
        port = server.add_insecure_port("127.0.0.1:0")
    else:
        port = server.add_secure_port("127.0.0.1:0", credentials)
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait()


def make_model(name: str = "digits", **fields: Any) -> types.Model:
    """A registered ONNX model."""
    values: dict[str, Any] = {
        "id": f"id-{name}", "name": name, "version": "1", "modality": types.MODALITY_IMAGE, "dataset_id": "mnist",
        "artifact": types.Artifact(format="onnx", digest="ab" * 32, size_bytes=5),
    }  # fmt: skip
    return types.Model(**(values | fields))


def make_histogram(latencies_ms: list[float]) -> str:
    """The histogram of these latencies, as an agent stores it."""
    histogram = HdrHistogram(1, 3_600_000_000, 3)
    for latency in latencies_ms:
        histogram.record_value(round(latency * 1000))
    return bytes(histogram.encode()).decode("ascii")


def make_measurement(name: str, value: float, unit: str = "ms", **fields: Any) -> profiles.Measurement:
    """A measured quantity."""
    return profiles.Measurement(name=name, value=value, unit=unit, **fields)


def make_profile(
    name: str = "prf-1",
    *,
    runs_ms: tuple[float, ...] = (1.0, 1.01, 0.99, 1.0, 1.02),
    variant: profiles.Variant | None = None,
    measurements: tuple[profiles.Measurement, ...] = (),
    change: Callable[[profiles.Profile], object] = lambda profile: None,
    **fields: Any,
) -> profiles.Profile:
    """A profile of the model "digits" under server:100, valid unless `fields` say else; `runs_ms` are run medians."""
    values: dict[str, Any] = {
        "id": name, "job_id": "job-1", "attempt": 1, "model_id": "id-digits", "model_name": "digits@1",
        "load": profiles.Load(scenario=profiles.SCENARIO_SERVER, rate_per_s=100, streams=1, arrival="poisson"),
        "load_text": "server:100", "host_class": HOST_CLASS, "agent_id": "agt-1", "verdict": profiles.VERDICT_VALID,
        "offer": profiles.OFFER_OFFERED, "offer_reason": "offered: fp32, the yardstick", "verified_on": "sample",
        "versions": {"onnxruntime": "1.31.1"}, "create_time": Timestamp(seconds=START + 600),
        "form": profiles.Form(format="onnx", digest="ab" * 32, size_bytes=1 << 16, kept=True),
        "histogram": make_histogram([1.0] * 600 + [2.0] * 300 + [5.0] * 95 + [40.0] * 5),
    }  # fmt: skip
    profile = profiles.Profile(**(values | fields))
    profile.variant.CopyFrom(variant or profiles.Variant(backend="onnxruntime", precision=profiles.PRECISION_FP32))
    middle = sorted(runs_ms)[len(runs_ms) // 2]
    profile.measurements.extend(
        [
            make_measurement("p50_ms", middle, low=min(runs_ms), high=max(runs_ms), source="requests"),
            make_measurement("p99_ms", 12.5, low=11.0, high=14.25, source="requests"),
            make_measurement("queue_p99_ms", 4.0),
            make_measurement("throughput_per_s", 99.5, "1/s"),
            make_measurement("peak_memory_bytes", 104857600, "bytes"),
            make_measurement("energy_j", 0.0123, "J", source="rapl_counter"),
            make_measurement("co2_g_per_1k", 0, "g", source="none", detail="the carbon intensity is not known"),
        ]
    )
    profile.measurements.extend(measurements)
    for number, median in enumerate(runs_ms):
        run = profile.runs.add(verdict=profiles.VERDICT_VALID, schedule_digest=f"{number:064x}")
        run.start_time.seconds = START + number
        run.measurements.append(make_measurement("p50_ms", median))
    change(profile)
    return profile


def make_job(name: str = "job-1", state: int = profiles.JOB_STATE_LEASED, **fields: Any) -> profiles.Job:
    """A job for "digits"."""
    values: dict[str, Any] = {"attempt": 1, "max_attempts": 3, "model_name": "digits@1", "agent_id": "agt-1"}
    job = profiles.Job(id=name, state=state, **(values | fields))  # type: ignore[arg-type]
    job.create_time.seconds = START
    job.spec.variants.add(backend="onnxruntime", precision=profiles.PRECISION_FP32)
    job.spec.loads.add(scenario=profiles.SCENARIO_SERVER, rate_per_s=100)
    if state in (profiles.JOB_STATE_SUCCEEDED, profiles.JOB_STATE_FAILED, profiles.JOB_STATE_CANCELLED):
        job.lease_time.seconds, job.end_time.seconds = START + 5, START + 39
    return job


def make_agent(name: str = "bench-1", **fields: Any) -> profiles.Agent:
    """An agent with one backend and one that it lacks."""
    values: dict[str, Any] = {
        "id": f"id-{name}", "host_class": HOST_CLASS, "host_json": '{"cpu": {"model": "EPYC", "cores": 16}}',
        "labels": {"room": "north"}, "capacity": 1, "state": profiles.AGENT_STATE_ACTIVE, "version": "0.1.0",
        "backends": [
            profiles.BackendStatus(
                name="onnxruntime", available=True, version="1.31.1", devices=["cpu"],
                precisions=[profiles.PRECISION_FP32, profiles.PRECISION_INT8_STATIC], detail="ONNX Runtime on CPU",
            ),
            profiles.BackendStatus(name="tensorrt", detail="no GPU here"),
        ],
    }  # fmt: skip
    agent = profiles.Agent(name=name, **(values | fields))
    agent.create_time.seconds, agent.last_seen_time.seconds = START, int(time.time())
    return agent

"""An AgentService over a real socket that does what a test tells it, and remembers what agents told it."""

# ruff: noqa: N802 - gRPC names the methods

from __future__ import annotations

import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status

from msearch.v1 import agent_service_pb2 as agents
from msearch.v1 import profiles_pb2 as pb
from msearch.v1 import types_pb2 as types
from msearch.v1.agent_service_pb2_grpc import AgentServiceServicer, add_AgentServiceServicer_to_server

Trouble = Callable[[grpc.ServicerContext], None]


def refuse(code: grpc.StatusCode, reason: str = "", message: str = "as scripted") -> Trouble:
    """Fails a call as the service does, with the reason in an ErrorInfo; without a reason as a proxy does."""

    def act(context: grpc.ServicerContext) -> None:
        if not reason:
            context.abort(code, message)
        detail = AnyMessage()
        detail.Pack(ErrorInfo(reason=reason, domain="msearch"))
        context.abort_with_status(rpc_status.to_status(Status(code=code.value[0], message=message, details=[detail])))

    return act


LEASE_LOST = refuse(grpc.StatusCode.ABORTED, "LEASE_LOST")
UNAVAILABLE = refuse(grpc.StatusCode.UNAVAILABLE)


class ScriptedService(AgentServiceServicer):
    """`jobs` are handed out in order, each once. `troubles[method]` are met in order, one a call, before the answer."""

    def __init__(self, lease_s: float = 60.0) -> None:
        self.lease_s = lease_s
        self.jobs: deque[agents.AcquireJobResponse] = deque()
        self.troubles: dict[str, deque[Trouble | None]] = defaultdict(deque)
        self.calls: list[tuple[str, Any]] = []
        self.parts: dict[int, bytes] = {}
        self.interrupt_after = 0
        self.cancel = False
        self._changed = threading.Condition()
        self._tokens = 0

    def add(self, model: types.Model | None = None, sample: types.DatasetSample | None = None, **spec: Any) -> str:
        """A job for the next agent that asks."""
        with self._changed:
            self._tokens += 1
            lease = agents.Lease(job_id=f"job{self._tokens}", attempt=1, fencing_token=self._tokens)
            lease.duration.FromNanoseconds(round(self.lease_s * 1e9))
            variants = spec.pop("variants", [pb.Variant(backend="null", precision=pb.PRECISION_FP32)])
            loads = spec.pop("loads", [pb.Load(scenario=pb.SCENARIO_SINGLE_STREAM)])
            job = pb.Job(id=lease.job_id, spec=pb.JobSpec(variants=variants, loads=loads, **spec))
            self.jobs.append(agents.AcquireJobResponse(lease=lease, job=job, model=model, sample=sample))
            self._changed.notify_all()
        return lease.job_id

    def told(self, method: str) -> list[Any]:
        """The requests of a method, oldest first."""
        with self._changed:
            return [request for name, request in self.calls if name == method]

    def wait_for(self, method: str, count: int = 1, timeout_s: float = 60.0) -> Any:
        """The `count`-th request of a method."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while len(found := [request for name, request in self.calls if name == method]) < count:
                if not self._changed.wait(deadline - time.monotonic()):
                    raise AssertionError(f"no {method} number {count} among {[name for name, _ in self.calls]}")
            return found[count - 1]

    def _meet(self, method: str, request: Any, context: grpc.ServicerContext) -> None:
        with self._changed:
            self.calls.append((method, request))
            self._changed.notify_all()
            trouble = self.troubles[method].popleft() if self.troubles[method] else None
        if trouble is not None:
            trouble(context)

    def RegisterAgent(self, request: Any, context: grpc.ServicerContext) -> Any:
        self._meet("RegisterAgent", request, context)
        answer = agents.RegisterAgentResponse(agent=request.agent)
        answer.agent.id = f"agt{len(self.told('RegisterAgent'))}"
        answer.poll_interval.FromMilliseconds(20)
        return answer

    def AcquireJob(self, request: Any, context: grpc.ServicerContext) -> Any:
        self._meet("AcquireJob", request, context)
        deadline = time.monotonic() + request.wait.ToNanoseconds() / 1e9
        with self._changed:
            while not self.jobs and context.is_active() and time.monotonic() < deadline:
                self._changed.wait(0.05)
            return self.jobs.popleft() if self.jobs and context.is_active() else agents.AcquireJobResponse()

    def RenewLease(self, request: Any, context: grpc.ServicerContext) -> Any:
        self._meet("RenewLease", request, context)
        return agents.RenewLeaseResponse(lease=request.lease, cancel=self.cancel)

    def ReportProgress(self, request: Any, context: grpc.ServicerContext) -> Any:
        self._meet("ReportProgress", request, context)
        return agents.ReportProgressResponse()

    def KeepForm(self, request_iterator: Iterator[Any], context: grpc.ServicerContext) -> Any:
        self._meet("KeepForm", list(request_iterator), context)
        return agents.KeepFormResponse()

    def CompleteJob(self, request: Any, context: grpc.ServicerContext) -> Any:
        self._meet("CompleteJob", request, context)
        return agents.CompleteJobResponse()

    def CompleteEvaluation(self, request_iterator: Iterator[Any], context: grpc.ServicerContext) -> Any:
        self._meet("CompleteEvaluation", list(request_iterator), context)
        return agents.CompleteEvaluationResponse()

    def FailJob(self, request: Any, context: grpc.ServicerContext) -> Any:
        self._meet("FailJob", request, context)
        return agents.FailJobResponse()

    def ReleaseJob(self, request: Any, context: grpc.ServicerContext) -> Any:
        self._meet("ReleaseJob", request, context)
        return agents.ReleaseJobResponse()

    def FetchForJob(self, request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        self._meet("FetchForJob", request, context)
        data = self.parts[request.part]
        for start in range(0, len(data), 1000):
            yield agents.FetchForJobResponse(chunk=data[start : start + 1000])
            if self.interrupt_after and start + 1000 >= self.interrupt_after:
                self.interrupt_after = 0
                context.abort(grpc.StatusCode.UNAVAILABLE, "the service went away")


@contextmanager
def serving(service: ScriptedService, address: str = "127.0.0.1:0") -> Iterator[str]:
    """Serves until the end of the block; gives the address."""
    server = grpc.server(ThreadPoolExecutor(8))
    add_AgentServiceServicer_to_server(service, server)
    port = server.add_insecure_port(address)
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(0).wait(30)

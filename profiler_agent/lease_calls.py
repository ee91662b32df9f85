"""The calls that an agent makes about a job it holds: what the job needs, and how it ended."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

import grpc
import structlog

from msearch.v1 import agent_service_pb2 as agents
from profiler_agent import wire
from profiler_agent.connection import Backoff, Connection, describe, is_defect, is_transient, lease_is_lost
from profiler_agent.errors import Cancelled
from profiler_agent.evaluation_wire import CHUNK_BYTES, write_evaluation
from profiler_agent.executor import EVALUATION_SAMPLE, MODEL, SAMPLE
from profiler_agent.leases import LeaseKeeper
from profiler_agent.profile_wire import write_profile
from profiler_agent.work import Evaluation, Failure, Form, Lease, Profile

FETCH_TIMEOUT_S = 600.0
EVALUATION_TIMEOUT_S = 300.0
MOST_DEFECTS = 5
"""How often a report is repeated that the service answers with a failure of its own."""

_PARTS = {
    MODEL: agents.FetchForJobRequest.PART_MODEL,
    SAMPLE: agents.FetchForJobRequest.PART_SAMPLE,
    EVALUATION_SAMPLE: agents.FetchForJobRequest.PART_EVALUATION_SAMPLE,
}

_log = structlog.get_logger()


class LeaseCalls:
    """Every call carries the lease. Reports are repeated until the service has answered, or the lease is lost: they
    count once an attempt. They give why the service refused, "" where it did not.
    """

    def __init__(self, connection: Connection, lease: Lease, keeper: LeaseKeeper) -> None:
        self._connection = connection
        self._lease = lease
        self._keeper = keeper

    def fetch(self, part: str, stop: threading.Event) -> Iterator[bytes]:
        """The bytes; where the service goes away meanwhile, the rest once it is back.

        Raises:
            grpc.RpcError: it refuses.
            Cancelled: `stop` is set.
        """
        request = agents.FetchForJobRequest(lease=wire.write_lease(self._lease), part=_PARTS[part])
        backoff, received = Backoff(stop), 0
        while not stop.is_set():
            skip = received
            try:
                for message in self._connection.call(
                    self._connection.stub.FetchForJob, request, timeout_s=FETCH_TIMEOUT_S
                ):
                    fresh = message.chunk[skip:]
                    skip -= len(message.chunk) - len(fresh)
                    received += len(fresh)
                    if fresh:
                        yield fresh
                    if stop.is_set():
                        break
                else:
                    return
            except grpc.RpcError as error:
                if not is_transient(error) or is_defect(error):
                    raise
                _log.warning("fetch_interrupted", job_id=self._lease.job_id, error=describe(error))
                backoff.wait()
        raise Cancelled("the job was cancelled")

    def keep_form(self, form: Form, stream: BinaryIO) -> None:
        """Has the service keep what was made. Where it will not, the job goes on: its profile says so."""
        keep = self._connection.stub.KeepForm
        problem = self._report(
            lambda: self._connection.call(keep, self._form_messages(form, stream), timeout_s=FETCH_TIMEOUT_S)
        )
        if problem:
            _log.warning("form_not_kept", job_id=self._lease.job_id, digest=form.digest, error=problem)

    def _form_messages(self, form: Form, stream: BinaryIO) -> Iterator[agents.KeepFormRequest]:
        header = agents.KeepFormRequest.Header(
            lease=wire.write_lease(self._lease), digest=form.digest, size_bytes=form.size_bytes
        )
        yield agents.KeepFormRequest(header=header)
        stream.seek(0)
        while chunk := stream.read(CHUNK_BYTES):
            yield agents.KeepFormRequest(chunk=chunk)

    def release(self) -> str:
        """Gives the job back; the attempt does not count."""
        return self._report_one(self._connection.stub.ReleaseJob, agents.ReleaseJobRequest())

    def complete(self, profiles: tuple[Profile, ...], *, host_class: str, host_json: str) -> str:
        """Ends a job with its profiles."""
        messages = [write_profile(one, host_class=host_class, host_json=host_json) for one in profiles]
        return self._report_one(self._connection.stub.CompleteJob, agents.CompleteJobRequest(profiles=messages))

    def complete_evaluation(self, evaluation: Evaluation) -> str:
        """Ends an evaluate job with the model's outputs."""
        stub, lease = self._connection.stub, wire.write_lease(self._lease)
        return self._report(
            lambda: self._connection.call(
                stub.CompleteEvaluation, write_evaluation(evaluation, lease), timeout_s=EVALUATION_TIMEOUT_S
            )
        )

    def fail(self, failure: Failure) -> str:
        """Ends a job with a failure."""
        request = agents.FailJobRequest(failure=wire.write_failure(failure), retry=failure.retry)
        return self._report_one(self._connection.stub.FailJob, request)

    def _report_one(self, method: Any, request: Any) -> str:
        request.lease.CopyFrom(wire.write_lease(self._lease))
        return self._report(lambda: self._connection.call(method, request))

    def _report(self, call: Callable[[], object]) -> str:
        backoff, defects = Backoff(threading.Event()), 0
        while not self._keeper.lost:
            try:
                call()
                return ""
            except grpc.RpcError as error:
                if lease_is_lost(error):
                    self._keeper.lose()
                    break
                defects += is_defect(error)
                if not is_transient(error) or defects >= MOST_DEFECTS:
                    _log.error("report_refused", job_id=self._lease.job_id, error=describe(error))
                    return describe(error)
            backoff.wait()
        return "the lease was lost"

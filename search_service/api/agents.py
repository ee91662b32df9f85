"""The servicer of profiler agents. Whose lease a call is about, the use cases check against the caller's token."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import grpc
import structlog
from google.protobuf.duration_pb2 import Duration

from msearch.v1 import agent_service_pb2 as pb
from msearch.v1 import agent_service_pb2_grpc
from search_service.api.authentication import present_caller
from search_service.api.waiting import WaitingRoom
from search_service.api.wire.agents import read_report, write_acquired, write_agent
from search_service.api.wire.enums import read_part
from search_service.api.wire.evaluation import read_chunks, read_first
from search_service.api.wire.evaluation import read_report as read_outputs_report
from search_service.api.wire.jobs import read_failure, read_lease, read_progress, write_job, write_lease
from search_service.api.wire.profiles import read_profile
from search_service.api.wire.times import read_seconds
from search_service.domain.jobs import Lease
from search_service.usecases import agents, leases
from search_service.usecases.evaluation_reports import complete_evaluation
from search_service.usecases.evidence import Evidence
from search_service.usecases.fields import invalid
from search_service.usecases.forms import keep_form
from search_service.usecases.profiling import Profiling
from search_service.usecases.uploads import Upload

LARGEST_CHUNK_BYTES = 1 << 20

_log = structlog.get_logger()


class AgentServicer(agent_service_pb2_grpc.AgentServiceServicer):
    """See agent_service.proto; method by method. Agents wait for jobs in `waiting`."""

    def __init__(self, profiling: Profiling, evidence: Evidence, waiting: WaitingRoom) -> None:
        self._profiling = profiling
        self._evidence = evidence
        self._waiting = waiting

    def RegisterAgent(
        self, request: pb.RegisterAgentRequest, context: grpc.ServicerContext
    ) -> pb.RegisterAgentResponse:
        seen = agents.register_agent(self._profiling, present_caller(), read_report(request.agent, "agent"))
        _log.info("agent_registered", id=seen.agent.id, name=seen.agent.name, host_class=seen.agent.host_class)
        return pb.RegisterAgentResponse(agent=write_agent(seen), poll_interval=_duration(self._profiling.poll_interval))

    def AcquireJob(self, request: pb.AcquireJobRequest, context: grpc.ServicerContext) -> pb.AcquireJobResponse:
        if not request.agent_id:
            raise invalid("agent_id", "must not be empty: register first")
        wait_s = read_seconds(request.wait, "wait")
        caller = present_caller()
        if wait_s:
            with self._waiting.enter(context) as gone:
                # Without a place the first look is the last: waiting agents must not take the threads of all others.
                waiting = replace(self._profiling, wait=gone.wait if gone is not None else _not_at_all)
                acquired = leases.acquire_job(waiting, caller, request.agent_id, wait_s)
        else:
            acquired = leases.acquire_job(self._profiling, caller, request.agent_id)
        if acquired.lease is not None:
            if not context.is_active():
                # Nobody would know of the lease: rather than let it expire, which costs an attempt, give it back.
                leases.release_job(self._profiling, caller, acquired.lease)
                return pb.AcquireJobResponse()
            _log.info("job_acquired", id=acquired.lease.job_id, attempt=acquired.lease.attempt, agent=request.agent_id)
        return write_acquired(acquired)

    def RenewLease(self, request: pb.RenewLeaseRequest, context: grpc.ServicerContext) -> pb.RenewLeaseResponse:
        lease, cancel = leases.renew_lease(self._profiling, present_caller(), _lease_of(request))
        return pb.RenewLeaseResponse(lease=write_lease(lease), cancel=cancel)

    def ReportProgress(
        self, request: pb.ReportProgressRequest, context: grpc.ServicerContext
    ) -> pb.ReportProgressResponse:
        progress = read_progress(request.progress)
        leases.report_progress(self._profiling, present_caller(), _lease_of(request), progress)
        return pb.ReportProgressResponse()

    def KeepForm(
        self, request_iterator: Iterator[pb.KeepFormRequest], context: grpc.ServicerContext
    ) -> pb.KeepFormResponse:
        header = read_first(request_iterator).header
        lease, upload = _lease_of(header), Upload(header.digest, header.size_bytes)
        fresh = keep_form(self._evidence, present_caller(), lease, upload, read_chunks(request_iterator))
        _log.info("form_kept", job_id=lease.job_id, digest=upload.digest, size_bytes=upload.size_bytes, fresh=fresh)
        return pb.KeepFormResponse()

    def CompleteJob(self, request: pb.CompleteJobRequest, context: grpc.ServicerContext) -> pb.CompleteJobResponse:
        lease = _lease_of(request)
        reported = [read_profile(profile, f"profiles[{position}]") for position, profile in enumerate(request.profiles)]
        job = leases.complete_job(self._profiling, present_caller(), lease, reported)
        _log.info("job_completed", id=job.id, attempt=lease.attempt, profiles=len(job.profile_ids))
        return pb.CompleteJobResponse(job=write_job(job))

    def CompleteEvaluation(
        self, request_iterator: Iterator[pb.CompleteEvaluationRequest], context: grpc.ServicerContext
    ) -> pb.CompleteEvaluationResponse:
        header = read_first(request_iterator).header
        lease, report = _lease_of(header), read_outputs_report(header)
        chunks = read_chunks(request_iterator)
        job = complete_evaluation(self._evidence, present_caller(), lease, report, chunks)
        _log.info("evaluation_completed", id=job.id, attempt=lease.attempt, rows=report.row_count)
        return pb.CompleteEvaluationResponse(job=write_job(job))

    def FailJob(self, request: pb.FailJobRequest, context: grpc.ServicerContext) -> pb.FailJobResponse:
        lease, failure = _lease_of(request), read_failure(request.failure)
        job = leases.fail_job(self._profiling, present_caller(), lease, failure, retry=request.retry)
        _log.info("job_attempt_failed", id=job.id, attempt=lease.attempt, code=failure.code, state=job.state.value)
        return pb.FailJobResponse(job=write_job(job))

    def ReleaseJob(self, request: pb.ReleaseJobRequest, context: grpc.ServicerContext) -> pb.ReleaseJobResponse:
        lease = _lease_of(request)
        leases.release_job(self._profiling, present_caller(), lease)
        _log.info("job_released", id=lease.job_id)
        return pb.ReleaseJobResponse()

    def FetchForJob(
        self, request: pb.FetchForJobRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.FetchForJobResponse]:
        lease, part = _lease_of(request), read_part(request.part, "part")
        fetched = leases.fetch_for_job(self._profiling, present_caller(), lease, part)
        for chunk in fetched.chunks:
            for begin in range(0, len(chunk), LARGEST_CHUNK_BYTES):
                if not context.is_active():
                    return
                yield pb.FetchForJobResponse(chunk=chunk[begin : begin + LARGEST_CHUNK_BYTES])
        _log.info("job_part_fetched", id=lease.job_id, part=part.value, size_bytes=fetched.size_bytes)


def _lease_of(
    request: pb.RenewLeaseRequest
    | pb.ReportProgressRequest
    | pb.CompleteJobRequest
    | pb.FailJobRequest
    | pb.ReleaseJobRequest
    | pb.FetchForJobRequest
    | pb.KeepFormRequest.Header
    | pb.CompleteEvaluationRequest.Header,
) -> Lease:
    """Raises InvalidArgument where no lease, or half of one, is shown."""
    lease = read_lease(request.lease)
    if not lease.job_id:
        raise invalid("lease.job_id", "must not be empty")
    if lease.attempt < 1:
        raise invalid("lease.attempt", f"must be 1 or more, not {lease.attempt}")
    if lease.fencing_token < 1:
        raise invalid("lease.fencing_token", f"must be 1 or more, not {lease.fencing_token}")
    return lease


def _duration(length: timedelta) -> Duration:
    duration = Duration()
    duration.FromTimedelta(length)
    return duration


def _not_at_all(seconds: float) -> bool:
    del seconds
    return True

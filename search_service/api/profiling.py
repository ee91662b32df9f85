"""The servicer of profiling for people."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

import grpc
import structlog

from msearch.v1 import profiling_service_pb2 as pb
from msearch.v1 import profiling_service_pb2_grpc
from search_service.api.authentication import present_caller
from search_service.api.waiting import WaitingRoom
from search_service.api.wire.agents import write_agent
from search_service.api.wire.decisions import write_explanation
from search_service.api.wire.enums import read_job_state
from search_service.api.wire.jobs import read_spec, write_job
from search_service.api.wire.profiles import write_profile
from search_service.api.wire.registry import read_reference
from search_service.domain.errors import Reason, Unavailable
from search_service.domain.jobs import JobFilter
from search_service.domain.profiling import ProfileFilter
from search_service.usecases import agents, forms, jobs, profiles
from search_service.usecases.explaining import explain_job
from search_service.usecases.fields import invalid
from search_service.usecases.profiling import Profiling

LONGEST_WATCH_S = 300.0
"""A watch ends after this long, so that nobody holds a thread, or the rights of a token, for ever."""

_log = structlog.get_logger()


class ProfilingServicer(profiling_service_pb2_grpc.ProfilingServiceServicer):
    """See profiling_service.proto; method by method. Watches wait in `watchers`."""

    def __init__(self, profiling: Profiling, watchers: WaitingRoom) -> None:
        self._profiling = profiling
        self._watchers = watchers

    def SubmitJob(self, request: pb.SubmitJobRequest, context: grpc.ServicerContext) -> pb.SubmitJobResponse:
        caller = present_caller()
        job = jobs.submit_job(
            self._profiling,
            request.request_id,
            read_spec(request.spec, "spec"),
            model=read_reference(request.model, "model") if request.HasField("model") else None,
            allow_waiting=request.allow_waiting,
            max_attempts=request.max_attempts,
            priority=request.priority,
            experiment_id=request.experiment_id,
            submitted_by=caller.name if caller is not None else "",
        )
        _log.info("job_submitted", id=job.id, model=job.model_name)
        return pb.SubmitJobResponse(job=write_job(job))

    def GetJob(self, request: pb.GetJobRequest, context: grpc.ServicerContext) -> pb.GetJobResponse:
        return pb.GetJobResponse(job=write_job(jobs.get_job(self._profiling, _given(request.job_id, "job_id"))))

    def ListJobs(self, request: pb.ListJobsRequest, context: grpc.ServicerContext) -> pb.ListJobsResponse:
        wanted = JobFilter(
            state=read_job_state(request.state, "state"),
            model_id=request.model_id,
            experiment_id=request.experiment_id,
        )
        page, token = jobs.list_jobs(self._profiling, wanted, request.page_size, request.page_token)
        items = [write_job(job) for job in page.items]
        return pb.ListJobsResponse(jobs=items, next_page_token=token, total_size=page.total)

    def ExplainJob(self, request: pb.ExplainJobRequest, context: grpc.ServicerContext) -> pb.ExplainJobResponse:
        return write_explanation(explain_job(self._profiling, _given(request.job_id, "job_id")))

    def CancelJob(self, request: pb.CancelJobRequest, context: grpc.ServicerContext) -> pb.CancelJobResponse:
        job = jobs.cancel_job(self._profiling, _given(request.job_id, "job_id"))
        _log.info("job_cancelled", id=job.id, state=job.state.value)
        return pb.CancelJobResponse(job=write_job(job))

    def CancelJobs(self, request: pb.CancelJobsRequest, context: grpc.ServicerContext) -> pb.CancelJobsResponse:
        cancelled, asked = jobs.cancel_jobs(self._profiling, request.experiment_id)
        _log.info("jobs_cancelled", experiment=request.experiment_id, cancelled=cancelled, asked=asked)
        return pb.CancelJobsResponse(cancelled_count=cancelled, asked_count=asked)

    def WatchJob(self, request: pb.WatchJobRequest, context: grpc.ServicerContext) -> Iterator[pb.WatchJobResponse]:
        job = jobs.get_job(self._profiling, _given(request.job_id, "job_id"))
        with self._watchers.enter(context) as ended:
            # After it has a place: whoever has seen a first message knows whether others are kept out.
            yield pb.WatchJobResponse(job=write_job(job))
            ends = time.monotonic() + LONGEST_WATCH_S
            while ended is not None and not job.state.ended and not ended.is_set():
                left_s = ends - time.monotonic()
                if left_s <= 0:
                    break
                found = jobs.wait_for_change(replace(self._profiling, wait=ended.wait), job.id, job.revision, left_s)
                if found.revision != job.revision:
                    yield pb.WatchJobResponse(job=write_job(found))
                job = found
        if not job.state.ended:
            # A stream that just ended would say that the job has. Callers open it again after UNAVAILABLE.
            raise Unavailable(
                "the watch ends before its job: too many are followed, it lasted long, or the service stops; "
                "watch again",
                Reason.STORAGE_UNAVAILABLE,
            )

    def GetProfile(self, request: pb.GetProfileRequest, context: grpc.ServicerContext) -> pb.GetProfileResponse:
        profile = profiles.get_profile(self._profiling, _given(request.profile_id, "profile_id"))
        return pb.GetProfileResponse(profile=write_profile(profile))

    def GetProfiles(self, request: pb.GetProfilesRequest, context: grpc.ServicerContext) -> pb.GetProfilesResponse:
        found = profiles.get_profiles(self._profiling, request.profile_ids)
        return pb.GetProfilesResponse(profiles=[write_profile(profile) for profile in found])

    def ListProfiles(self, request: pb.ListProfilesRequest, context: grpc.ServicerContext) -> pb.ListProfilesResponse:
        model = read_reference(request.model, "model") if request.HasField("model") else None
        wanted = ProfileFilter(
            backend=request.backend,
            host_class=request.host_class,
            load_text=request.load_text,
            job_id=request.job_id,
            include_invalid=request.include_invalid,
        )
        page, token = profiles.list_profiles(self._profiling, model, wanted, request.page_size, request.page_token)
        items = [write_profile(profile) for profile in page.items]
        return pb.ListProfilesResponse(profiles=items, next_page_token=token, total_size=page.total)

    def DownloadForm(
        self, request: pb.DownloadFormRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.DownloadFormResponse]:
        for chunk in forms.open_form(self._profiling, _given(request.profile_id, "profile_id")):
            yield pb.DownloadFormResponse(chunk=chunk)

    def ListAgents(self, request: pb.ListAgentsRequest, context: grpc.ServicerContext) -> pb.ListAgentsResponse:
        return pb.ListAgentsResponse(agents=[write_agent(seen) for seen in agents.list_agents(self._profiling)])

    def GetAgent(self, request: pb.GetAgentRequest, context: grpc.ServicerContext) -> pb.GetAgentResponse:
        seen = agents.get_agent(self._profiling, _given(request.agent, "agent"))
        return pb.GetAgentResponse(agent=write_agent(seen))

    def DrainAgent(self, request: pb.DrainAgentRequest, context: grpc.ServicerContext) -> pb.DrainAgentResponse:
        seen = agents.drain_agent(self._profiling, _given(request.agent, "agent"), undo=request.undo)
        _log.info("agent_drained" if not request.undo else "agent_drain_undone", name=seen.agent.name)
        return pb.DrainAgentResponse(agent=write_agent(seen))


def _given(value: str, path: str) -> str:
    if not value:
        raise invalid(path, "must not be empty")
    return value

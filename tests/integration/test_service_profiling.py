"""Profiling for people over a real socket: submit, list, cancel, follow, and what is refused."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration

from msearch.v1 import profiles_pb2 as ppb
from msearch.v1 import profiling_service_pb2 as jpb
from msearch.v1 import registry_service_pb2 as rpb
from msearch_client import Client
from search_service.api import profiling
from search_service.domain.ports import Database
from tests.fake_agent import FakeAgent, a_profile, a_spec
from tests.service_in_process import Running, card, refused, register, service_in_process


@pytest.fixture
def running(tmp_path: Path, database: Database) -> Iterator[Running]:
    """On each kind of database."""
    with service_in_process(tmp_path, database, lease_s="300") as service:
        yield service


@pytest.fixture
def agent(running: Running) -> FakeAgent:
    return FakeAgent(running.agents).register()


def submit(running: Running, **fields: Any) -> ppb.Job:
    job: ppb.Job = running.profiling.SubmitJob(jpb.SubmitJobRequest(**({"spec": a_spec()} | fields))).job
    return job


def until(condition: Callable[[], bool]) -> bool:
    """Whether it comes true within twenty seconds; how soon is a matter for the benchmarks."""
    ends = time.monotonic() + 20
    while not condition():
        if time.monotonic() > ends:
            return False
        time.sleep(0.02)
    return True


def test_a_job_comes_back_as_it_was_asked_for(running: Running, agent: FakeAgent) -> None:
    spec = a_spec(
        "onnxruntime",
        variants=[
            ppb.Variant(backend="null", precision=ppb.PRECISION_FP32, batch_size=4, threads=2, device="cpu"),
        ],
        loads=[
            ppb.Load(scenario=ppb.SCENARIO_SERVER, rate_per_s=50, arrival="gamma", parameters={"cv": 2.0}),
            ppb.Load(
                scenario=ppb.SCENARIO_CONCURRENCY,
                streams=4,
                batching=ppb.Batching(max_batch=8, max_wait=Duration(nanos=2_000_000)),
                p99_limit_ms=20,
            ),
        ],
        limits=ppb.RunLimits(min_duration=Duration(seconds=1, nanos=500_000_000), min_queries=100, seed=7),
        labels={"room": "north"},
        host_class="cpu-",
        deadline=Duration(seconds=600),
        memory_limit_bytes=1 << 30,
    )
    job = submit(running, spec=spec)
    found = running.profiling.GetJob(jpb.GetJobRequest(job_id=job.id)).job
    assert found == job
    for name in ("labels", "host_class", "deadline", "limits", "memory_limit_bytes"):
        assert getattr(found.spec, name) == getattr(spec, name)
    assert found.spec.variants[0] == spec.variants[0]
    assert found.spec.loads[0].parameters == {"cv": 2.0}
    assert found.spec.loads[1].batching == spec.loads[1].batching
    assert (found.max_attempts, found.attempt, found.state) == (3, 0, ppb.JOB_STATE_PENDING)
    assert agent.acquire().job.spec == found.spec


def test_a_request_id_submits_once(running: Running, agent: FakeAgent) -> None:
    first, again = (submit(running, request_id="same") for _ in range(2))
    assert first.id == again.id
    with refused() as caught:
        submit(running, request_id="same", max_attempts=5)
    assert (caught[0].code, caught[0].reason) == ("ALREADY_EXISTS", "REQUEST_ID_REUSED")
    assert running.profiling.ListJobs(jpb.ListJobsRequest()).total_size == 1


def test_jobs_are_listed_newest_first_by_page_and_state(running: Running, agent: FakeAgent) -> None:
    jobs = [submit(running) for _ in range(5)]
    found: list[str] = []
    token = ""
    while not found or token:
        page = running.profiling.ListJobs(jpb.ListJobsRequest(page_size=2, page_token=token))
        assert page.total_size == 5
        found += [job.id for job in page.jobs]
        token = page.next_page_token
    assert found == [job.id for job in reversed(jobs)]
    agent.complete(agent.acquire().lease)
    for state, count in ((ppb.JOB_STATE_SUCCEEDED, 1), (ppb.JOB_STATE_PENDING, 4), (ppb.JOB_STATE_FAILED, 0)):
        assert running.profiling.ListJobs(jpb.ListJobsRequest(state=state)).total_size == count
    assert running.profiling.ListJobs(jpb.ListJobsRequest(model_id="mdl_0")).total_size == 0


def test_profiles_are_listed_by_what_is_asked(running: Running, agent: FakeAgent) -> None:
    submit(running)
    invalid = a_profile(
        "onnxruntime", verdict=ppb.VERDICT_INVALID, reasons=[ppb.InvalidReason(rule="unsteady", detail="12 %")]
    )
    job = agent.complete(agent.acquire().lease, a_profile(), invalid)

    def backends(**wanted: Any) -> list[str]:
        page = running.profiling.ListProfiles(jpb.ListProfilesRequest(**wanted))
        assert page.total_size == len(page.profiles)
        return sorted(profile.variant.backend for profile in page.profiles)

    assert backends() == ["null"]
    assert backends(include_invalid=True) == ["null", "onnxruntime"]
    assert backends(include_invalid=True, backend="onnxruntime") == ["onnxruntime"]
    assert backends(job_id=job.id, host_class="cpu-x86", load_text="server:100") == ["null"]
    assert backends(host_class="gpu") == backends(load_text="offline") == backends(job_id="job_0") == []
    with refused() as caught:
        backends(model=rpb.ModelReference(name="none"))
    assert caught[0].reason == "MODEL_NOT_FOUND"


def test_a_pending_job_is_cancelled_at_once_and_for_good(running: Running, agent: FakeAgent) -> None:
    job = submit(running)
    for _ in range(2):
        cancelled = running.profiling.CancelJob(jpb.CancelJobRequest(job_id=job.id)).job
        assert cancelled.state == ppb.JOB_STATE_CANCELLED
    assert not agent.acquire().HasField("job")


def test_the_scheduler_says_why_over_the_wire(running: Running, agent: FakeAgent) -> None:
    request = jpb.SubmitJobRequest(spec=a_spec(), priority=-5, experiment_id="spring")
    job = running.profiling.SubmitJob(request).job
    assert (job.priority, job.experiment_id, job.submitted_by) == (-5, "spring", "")
    assert job.estimate.duration.seconds > 0
    assert not job.estimate.predicted
    waits = running.profiling.ExplainJob(jpb.ExplainJobRequest(job_id=job.id))
    assert "for agent one; it can start when the agent asks" in waits.why
    assert "not trusted before 10 jobs have ended" in waits.sizes
    agent.acquire()
    runs = running.profiling.ExplainJob(jpb.ExplainJobRequest(job_id=job.id))
    assert runs.why == "agent one has it: the only job that waits for agent one"
    assert [(found.step, found.agent) for found in runs.decisions] == [
        (jpb.DECISION_STEP_PLACED, "one"),
        (jpb.DECISION_STEP_LEASED, "one"),
    ]
    running.profiling.SubmitJob(request)
    listed = running.profiling.ListJobs(jpb.ListJobsRequest(experiment_id="spring"))
    assert listed.total_size == 2
    answer = running.profiling.CancelJobs(jpb.CancelJobsRequest(experiment_id="spring"))
    assert (answer.cancelled_count, answer.asked_count) == (1, 1)


def test_a_watch_shows_each_change_and_ends_with_the_job(running: Running, agent: FakeAgent) -> None:
    job = submit(running)
    seen: list[ppb.Job] = []

    def watch() -> None:
        seen.extend(message.job for message in running.profiling.WatchJob(jpb.WatchJobRequest(job_id=job.id)))

    watching = threading.Thread(target=watch)
    watching.start()
    assert until(lambda: len(seen) == 1)
    lease = agent.acquire().lease
    assert until(lambda: len(seen) == 2)
    agent.progress(lease, 0.5)
    assert until(lambda: len(seen) == 3)
    agent.renew(lease)  # is no change that anybody follows
    agent.complete(lease)
    watching.join(60)
    states = [ppb.JOB_STATE_PENDING, ppb.JOB_STATE_LEASED, ppb.JOB_STATE_LEASED, ppb.JOB_STATE_SUCCEEDED]
    assert [found.state for found in seen] == states
    assert seen[2].progress.fraction == 0.5
    assert seen[3].profile_ids
    # Who comes late sees the end alone.
    late = list(running.profiling.WatchJob(jpb.WatchJobRequest(job_id=job.id)))
    assert [message.job for message in late] == [seen[3]]


def follow(running: Running, job: ppb.Job, **options: Any) -> tuple[list[int], str]:
    """The states that a watch shows, and the status it ends with."""
    states = []
    try:
        states.extend(
            message.job.state for message in running.profiling.WatchJob(jpb.WatchJobRequest(job_id=job.id), **options)
        )
    except grpc.RpcError as error:
        return states, error.code().name
    return states, "OK"


def test_watches_leave_threads_to_others(tmp_path: Path) -> None:
    """With eight threads two watches stay; a third says how the job is, and that it cannot stay."""
    with service_in_process(tmp_path, threads="8") as running:
        job = submit(running, allow_waiting=True)
        watches = [running.profiling.WatchJob(jpb.WatchJobRequest(job_id=job.id)) for _ in range(2)]
        for watch in watches:
            assert next(watch).job.id == job.id
        assert follow(running, job) == ([ppb.JOB_STATE_PENDING], "UNAVAILABLE")
        watches[0].cancel()
        assert until(lambda: follow(running, job, timeout=1) == ([ppb.JOB_STATE_PENDING], "DEADLINE_EXCEEDED"))
        running.profiling.CancelJob(jpb.CancelJobRequest(job_id=job.id))
        assert [message.job.state for message in watches[1]] == [ppb.JOB_STATE_CANCELLED]


def test_a_watch_ends_by_itself_after_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profiling, "LONGEST_WATCH_S", 0.5)
    with service_in_process(tmp_path) as running:
        job = submit(running, allow_waiting=True)
        assert follow(running, job) == ([ppb.JOB_STATE_PENDING], "UNAVAILABLE")


def test_a_watch_of_the_sdk_goes_on_where_one_of_the_service_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(profiling, "LONGEST_WATCH_S", 0.2)
    with service_in_process(tmp_path) as running, Client(running.service.address) as client:
        job = submit(running, allow_waiting=True)
        states: list[str] = []
        watching = threading.Thread(target=lambda: states.extend(found.state for found in client.watch_job(job.id)))
        watching.start()
        time.sleep(1)
        running.profiling.CancelJob(jpb.CancelJobRequest(job_id=job.id))
        watching.join(60)
        assert states == ["pending", "cancelled"]


def test_a_job_for_a_backend_nobody_has_explains_who_is_there(running: Running, agent: FakeAgent) -> None:
    register(running, card("hosted"))
    with refused() as caught:
        submit(running, spec=a_spec("remote", remote_target="grpc://127.0.0.1:9/m"))
    assert (caught[0].code, caught[0].reason) == ("FAILED_PRECONDITION", "NO_CAPABLE_AGENT")
    for word in ("remote", "one", "null", "onnxruntime", "msearch-agent"):
        assert word in caught[0].message
    assert running.profiling.ListJobs(jpb.ListJobsRequest()).total_size == 0
    waiting = submit(running, spec=a_spec("remote", remote_target="grpc://127.0.0.1:9/m"), allow_waiting=True)
    assert not agent.acquire().HasField("job")
    assert waiting.state == ppb.JOB_STATE_PENDING


def test_without_agents_a_job_is_refused_unless_it_may_wait(tmp_path: Path) -> None:
    with service_in_process(tmp_path) as running:
        with refused() as caught:
            submit(running)
        assert caught[0].reason == "NO_CAPABLE_AGENT"
        job = submit(running, allow_waiting=True)
        assert FakeAgent(running.agents).register().acquire().job.id == job.id


def test_a_model_that_is_being_profiled_stays(running: Running, agent: FakeAgent) -> None:
    model = register(running, card("hosted"))
    reference = rpb.ModelReference(id=model.id)
    submit(running, model=reference)
    pending = submit(running, model=reference)
    lease = agent.acquire().lease
    with refused() as caught:
        running.registry.DeleteModel(rpb.DeleteModelRequest(model=reference))
    assert (caught[0].code, caught[0].reason) == ("FAILED_PRECONDITION", "STILL_REFERENCED")
    agent.complete(lease)
    running.registry.DeleteModel(rpb.DeleteModelRequest(model=reference))
    states = {job.id: job.state for job in running.profiling.ListJobs(jpb.ListJobsRequest()).jobs}
    assert ppb.JOB_STATE_SUCCEEDED in states.values()
    assert ppb.JOB_STATE_CANCELLED in states.values()
    assert pending.id in states
    assert running.profiling.ListProfiles(jpb.ListProfilesRequest()).total_size == 0


def a_load(**fields: Any) -> ppb.JobSpec:
    return a_spec(loads=[ppb.Load(**({"scenario": ppb.SCENARIO_SERVER, "rate_per_s": 1.0} | fields))])


def a_variant(**fields: Any) -> ppb.JobSpec:
    return a_spec(variants=[ppb.Variant(**({"backend": "null", "precision": ppb.PRECISION_FP32} | fields))])


WRONG: dict[str, ppb.JobSpec] = {
    "spec.variants": a_spec(variants=[]),
    "spec.variants[0].backend": a_variant(backend=""),
    "spec.variants[0].precision": a_variant(precision=0),
    "spec.variants[0].batch_size": a_variant(batch_size=-1),
    "spec.variants[0].threads": a_variant(threads=-1),
    "spec.variants[0].mode": a_variant(mode="../x"),
    "spec.variants[0].device": a_variant(device="/dev/mem"),
    "spec.loads": a_spec(loads=[]),
    "spec.loads[0].scenario": a_load(scenario=0),
    "spec.loads[0].rate_per_s": a_load(rate_per_s=float("inf")),
    "spec.loads[0].streams": a_load(scenario=ppb.SCENARIO_CONCURRENCY, streams=-1),
    "spec.loads[0].arrival": a_load(arrival="poison"),
    "spec.loads[0].parameters": a_load(arrival="gamma", parameters={"cv": float("nan")}),
    "spec.loads[0].trace_s": a_load(arrival="trace", trace_s=[2.0, 1.0]),
    "spec.loads[0].batching.max_batch": a_load(batching=ppb.Batching(max_batch=-1)),
    "spec.loads[0].batching.max_wait": a_load(batching=ppb.Batching(max_batch=2, max_wait=Duration(seconds=-1))),
    "spec.loads[0].p99_limit_ms": a_load(scenario=ppb.SCENARIO_FIND_PEAK),
    "spec.limits.min_duration": a_spec(limits=ppb.RunLimits(min_duration=Duration(seconds=-1))),
    "spec.limits.max_duration": a_spec(limits=ppb.RunLimits(max_duration=Duration(seconds=10**6))),
    "spec.limits.min_queries": a_spec(limits=ppb.RunLimits(min_queries=-1)),
    "spec.limits.repeats": a_spec(limits=ppb.RunLimits(repeats=-1)),
    "spec.limits.precision": a_spec(limits=ppb.RunLimits(precision=float("nan"))),
    "spec.limits.epsilon": a_spec(limits=ppb.RunLimits(epsilon=-0.5)),
    "spec.host_class": a_spec(host_class="a b"),
    "spec.labels": a_spec(labels={"": "x"}),
    "spec.remote_target": a_spec("remote", remote_target="ftp://x"),
    "spec.deadline": a_spec(deadline=Duration(seconds=10**11)),
    "spec.memory_limit_bytes": a_spec(memory_limit_bytes=-1),
    "model": a_spec("onnxruntime"),
}


@pytest.fixture(scope="module")
def idle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A service with one agent, that nothing else changes."""
    with service_in_process(tmp_path_factory.mktemp("idle")) as running:
        FakeAgent(running.agents).register()
        yield running


@pytest.mark.parametrize("path", WRONG)
def test_what_is_wrong_with_a_job_is_named(idle: Running, path: str) -> None:
    with refused() as caught:
        submit(idle, spec=WRONG[path])
    assert (caught[0].code, caught[0].reason) == ("INVALID_ARGUMENT", "INVALID_FIELD")
    assert list(caught[0].fields) == [path]
    assert idle.profiling.ListJobs(jpb.ListJobsRequest()).total_size == 0


CALLS: dict[str, tuple[str, Any, str, str]] = {
    "attempts": ("SubmitJob", jpb.SubmitJobRequest(spec=a_spec(), max_attempts=-1), "INVALID_FIELD", "max_attempts"),
    "request id": (
        "SubmitJob", jpb.SubmitJobRequest(spec=a_spec(), request_id="x" * 999), "INVALID_FIELD", "request_id",
    ),
    "empty reference": (
        "SubmitJob", jpb.SubmitJobRequest(spec=a_spec(), model=rpb.ModelReference()), "INVALID_FIELD", "model",
    ),
    "unknown model": (
        "SubmitJob", jpb.SubmitJobRequest(spec=a_spec(), model=rpb.ModelReference(name="none")), "MODEL_NOT_FOUND", "",
    ),
    "unknown model in the spec": (
        "SubmitJob", jpb.SubmitJobRequest(spec=a_spec("onnxruntime", model_id="mdl_0")), "MODEL_NOT_FOUND", "",
    ),
    "no job id": ("GetJob", jpb.GetJobRequest(), "INVALID_FIELD", "job_id"),
    "unknown job": ("GetJob", jpb.GetJobRequest(job_id="job_0"), "JOB_NOT_FOUND", ""),
    "unknown job to explain": ("ExplainJob", jpb.ExplainJobRequest(job_id="job_0"), "JOB_NOT_FOUND", ""),
    "no job to explain": ("ExplainJob", jpb.ExplainJobRequest(), "INVALID_FIELD", "job_id"),
    "no experiment to cancel": ("CancelJobs", jpb.CancelJobsRequest(), "INVALID_FIELD", "experiment_id"),
    "priority": ("SubmitJob", jpb.SubmitJobRequest(spec=a_spec(), priority=101), "INVALID_FIELD", "priority"),
    "experiment id": (
        "SubmitJob", jpb.SubmitJobRequest(spec=a_spec(), experiment_id="x" * 201), "INVALID_FIELD", "experiment_id",
    ),
    "unknown job to cancel": ("CancelJob", jpb.CancelJobRequest(job_id="job_0"), "JOB_NOT_FOUND", ""),
    "unknown job to watch": ("WatchJob", jpb.WatchJobRequest(job_id="job_0"), "JOB_NOT_FOUND", ""),
    "unknown state": ("ListJobs", jpb.ListJobsRequest(state=99), "INVALID_FIELD", "state"),  # type: ignore[arg-type]
    "page size": ("ListJobs", jpb.ListJobsRequest(page_size=-1), "INVALID_FIELD", "page_size"),
    "page token": ("ListJobs", jpb.ListJobsRequest(page_token="made up"), "INVALID_PAGE_TOKEN", "page_token"),
    "profile page token": (
        "ListProfiles", jpb.ListProfilesRequest(page_token="made up"), "INVALID_PAGE_TOKEN", "page_token",
    ),
    "unknown profile": ("GetProfile", jpb.GetProfileRequest(profile_id="prf_0"), "PROFILE_NOT_FOUND", ""),
    "no profile id": ("GetProfile", jpb.GetProfileRequest(), "INVALID_FIELD", "profile_id"),
    "no profile ids": ("GetProfiles", jpb.GetProfilesRequest(), "INVALID_FIELD", "profile_ids"),
    "many profile ids": (
        "GetProfiles", jpb.GetProfilesRequest(profile_ids=["prf_0"] * 51), "INVALID_FIELD", "profile_ids",
    ),
    "unknown agent": ("GetAgent", jpb.GetAgentRequest(agent="nobody"), "AGENT_NOT_FOUND", ""),
    "no agent": ("GetAgent", jpb.GetAgentRequest(), "INVALID_FIELD", "agent"),
    "unknown agent to drain": ("DrainAgent", jpb.DrainAgentRequest(agent="nobody"), "AGENT_NOT_FOUND", ""),
}  # fmt: skip


@pytest.mark.parametrize("case", CALLS)
def test_what_is_wrong_with_a_call_is_named(idle: Running, case: str) -> None:
    method, request, reason, path = CALLS[case]
    with refused() as caught:
        answer = getattr(idle.profiling, method)(request)
        if method == "WatchJob":
            list(answer)
    assert caught[0].reason == reason
    assert caught[0].code == ("NOT_FOUND" if reason.endswith("NOT_FOUND") else "INVALID_ARGUMENT")
    assert list(caught[0].fields) == ([path] if path else [])


def test_a_model_without_an_artifact_cannot_be_compiled(idle: Running) -> None:
    register(idle, card("hosted"))
    with refused() as caught:
        submit(idle, spec=a_spec("onnxruntime"), model=rpb.ModelReference(name="hosted"))
    assert (caught[0].reason, list(caught[0].fields)) == ("INVALID_FIELD", ["model"])
    assert "remote" in caught[0].message

"""The whole life of a job over a real socket, seen from an agent; on each kind of database."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration

from msearch.v1 import agent_service_pb2 as gpb
from msearch.v1 import profiles_pb2 as ppb
from msearch.v1 import profiling_service_pb2 as jpb
from msearch.v1 import registry_service_pb2 as rpb
from search_service.api.agents import AgentServicer
from search_service.api.waiting import WaitingRoom
from search_service.domain.ports import Database
from search_service.storage import open_blob_store, open_database
from tests.fake_agent import FakeAgent, a_profile, a_spec, an_agent
from tests.service_in_process import Running, chunk, header, refusal, service_in_process, upload
from tests.small_zoo import make_card, write_net


@pytest.fixture
def running(tmp_path: Path, database: Database) -> Iterator[Running]:
    """On each kind of database; a lease lasts long enough not to end in a test by itself."""
    with service_in_process(tmp_path, database, lease_s="300") as service:
        yield service


@pytest.fixture
def agent(running: Running) -> FakeAgent:
    return FakeAgent(running.agents).register()


def submit(running: Running, **fields: Any) -> ppb.Job:
    request = jpb.SubmitJobRequest(**({"spec": a_spec()} | fields))
    job: ppb.Job = running.profiling.SubmitJob(request).job
    return job


def get(running: Running, job: ppb.Job) -> ppb.Job:
    found: ppb.Job = running.profiling.GetJob(jpb.GetJobRequest(job_id=job.id)).job
    return found


def profiles_of(running: Running, **wanted: Any) -> list[ppb.Profile]:
    return list(running.profiling.ListProfiles(jpb.ListProfilesRequest(**wanted)).profiles)


def until(condition: Callable[[], bool]) -> bool:
    """Whether it comes true within twenty seconds; how soon is a matter for the benchmarks."""
    ends = time.monotonic() + 20
    while not condition():
        if time.monotonic() > ends:
            return False
        time.sleep(0.02)
    return True


def test_the_whole_life_of_a_job(running: Running, agent: FakeAgent) -> None:
    submitted = submit(running)
    assert (submitted.state, submitted.attempt) == (ppb.JOB_STATE_PENDING, 0)
    acquired = agent.acquire()
    assert acquired.job.id == acquired.lease.job_id == submitted.id
    assert (acquired.lease.attempt, acquired.lease.duration.seconds) == (1, 300)
    assert not acquired.HasField("model")
    assert running.profiling.GetAgent(jpb.GetAgentRequest(agent="one")).agent.job_ids == [submitted.id]
    assert not agent.acquire().HasField("lease")

    renewed = agent.renew(acquired.lease)
    assert not renewed.cancel
    assert renewed.lease.fencing_token == acquired.lease.fencing_token
    assert renewed.lease.expire_time.ToNanoseconds() >= acquired.lease.expire_time.ToNanoseconds()
    agent.progress(acquired.lease, 0.25, "compile")
    seen = get(running, submitted)
    assert (seen.state, seen.agent_id) == (ppb.JOB_STATE_LEASED, agent.id)
    assert (seen.progress.fraction, seen.progress.stage, seen.progress.message) == (0.25, "compile", "run 1 of 5")

    ended = agent.complete(acquired.lease, a_profile(), a_profile(load=ppb.Load(scenario=ppb.SCENARIO_OFFLINE)))
    assert ended.state == ppb.JOB_STATE_SUCCEEDED
    assert len(ended.profile_ids) == 2
    assert ended == get(running, submitted)
    listed = {profile.id: profile for profile in profiles_of(running, job_id=submitted.id)}
    assert set(listed) == set(ended.profile_ids)
    first = listed[ended.profile_ids[0]]
    assert (first.load_text, first.host_class, first.agent_id) == ("server:100", "cpu-x86-0123", agent.id)
    assert (first.histogram, list(first.runs)) == ("", [])
    whole = running.profiling.GetProfile(jpb.GetProfileRequest(profile_id=first.id)).profile
    assert whole.histogram == "HISTFAAA"
    assert [run.schedule_digest for run in whole.runs] == ["ab" * 32]
    assert list(whole.measurements) == list(a_profile().measurements)
    assert (whole.job_id, whole.attempt, whole.host_json) == (submitted.id, 1, '{"cpu": "x86"}')
    other = next(profile_id for profile_id in listed if profile_id != first.id)
    asked = jpb.GetProfilesRequest(profile_ids=[other, "prf_0", first.id, other])
    several = running.profiling.GetProfiles(asked).profiles
    assert [profile.id for profile in several] == [other, first.id], "those that are there, in order"
    assert several[1] == whole


def test_a_job_with_a_model_brings_it_with_its_bytes(running: Running, agent: FakeAgent, tmp_path: Path) -> None:
    write_net(tmp_path / "net.onnx")
    data = (tmp_path / "net.onnx").read_bytes()
    announced = header(json.dumps(make_card("m")), upload=upload(hashlib.sha256(data).hexdigest(), len(data)))
    model = running.registry.RegisterModel(iter([announced, chunk(data)])).model
    job = submit(running, spec=a_spec("onnxruntime"), model=rpb.ModelReference(name="m"))
    assert (job.spec.model_id, job.model_name) == (model.id, f"m@{model.version}")
    acquired = agent.acquire()
    assert acquired.model == model
    assert acquired.model.card_json
    assert b"".join(agent.fetch(acquired.lease, gpb.FetchForJobRequest.PART_MODEL)) == data
    missing = refusal(lambda: agent.fetch(acquired.lease, gpb.FetchForJobRequest.PART_SAMPLE))
    assert (missing.code, missing.reason) == ("NOT_FOUND", "SAMPLE_NOT_FOUND")
    agent.complete(acquired.lease, a_profile("onnxruntime"))
    (profile,) = profiles_of(running, model=rpb.ModelReference(id=model.id))
    assert (profile.model_id, profile.model_name) == (model.id, f"m@{model.version}")
    gone = refusal(lambda: agent.fetch(acquired.lease, gpb.FetchForJobRequest.PART_MODEL))
    assert (gone.code, gone.reason) == ("ABORTED", "LEASE_LOST")


def test_large_parts_come_in_chunks_of_a_mebibyte(running: Running, agent: FakeAgent, tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    np = pytest.importorskip("numpy")
    write_net(tmp_path / "net.onnx")
    net = onnx.load(tmp_path / "net.onnx")
    net.graph.initializer.append(onnx.numpy_helper.from_array(np.arange(5 << 18, dtype=np.float32), "ballast"))
    data = net.SerializeToString()
    announced = header(json.dumps(make_card("m")), upload=upload(hashlib.sha256(data).hexdigest(), len(data)))
    pieces = [chunk(data[begin : begin + (1 << 20)]) for begin in range(0, len(data), 1 << 20)]
    running.registry.RegisterModel(iter([announced, *pieces]))
    submit(running, spec=a_spec("onnxruntime"), model=rpb.ModelReference(name="m"))
    chunks = agent.fetch(agent.acquire().lease, gpb.FetchForJobRequest.PART_MODEL)
    assert b"".join(chunks) == data
    assert max(map(len, chunks)) == 1 << 20


def test_a_repeated_report_changes_nothing(running: Running, agent: FakeAgent) -> None:
    job = submit(running)
    lease = agent.acquire().lease
    first = agent.complete(lease)
    assert agent.complete(lease, a_profile(), a_profile(load=ppb.Load(scenario=ppb.SCENARIO_OFFLINE))) == first
    assert get(running, job) == first
    assert len(profiles_of(running)) == 1


def test_a_late_report_is_refused_and_changes_nothing(tmp_path: Path, database: Database) -> None:
    """Two replicas of different patience: the lease that one gave ends soon, that of the other not in this test."""
    with (
        service_in_process(tmp_path, database, lease_s="1") as hasty,
        service_in_process(tmp_path, database, lease_s="300") as running,
    ):
        slow, quick = FakeAgent(hasty.agents, "slow").register(), FakeAgent(running.agents, "quick").register()
        job = submit(running)
        lost = slow.acquire().lease
        assert until(lambda: get(running, job).state == ppb.JOB_STATE_PENDING)
        assert get(running, job).attempt_failures[0].code == "lease_expired"
        taken = quick.acquire().lease
        assert (taken.job_id, taken.attempt) == (job.id, 2)
        assert taken.fencing_token > lost.fencing_token
        before = get(running, job)
        late: dict[str, Callable[[], object]] = {
            "renew": lambda: slow.renew(lost),
            "progress": lambda: slow.progress(lost, 0.9),
            "complete": lambda: slow.complete(lost),
            "fail": lambda: slow.fail(lost),
            "release": lambda: slow.release(lost),
            "fetch": lambda: slow.fetch(lost, gpb.FetchForJobRequest.PART_MODEL),
        }
        for name, call in late.items():
            answer = refusal(call)
            assert (name, answer.code, answer.reason) == (name, "ABORTED", "LEASE_LOST")
        assert get(running, job) == before
        assert profiles_of(running) == []
        assert quick.complete(taken).state == ppb.JOB_STATE_SUCCEEDED


def test_a_forged_lease_is_refused(running: Running, agent: FakeAgent) -> None:
    submit(running)
    lease = agent.acquire().lease
    for field, value in (("attempt", 2), ("fencing_token", lease.fencing_token + 1)):
        forged = gpb.Lease()
        forged.CopyFrom(lease)
        setattr(forged, field, value)
        assert refusal(lambda forged=forged: agent.complete(forged)).reason == "LEASE_LOST"
    forged.CopyFrom(lease)
    forged.job_id = "job_0"
    assert refusal(lambda: agent.complete(forged)).reason == "JOB_NOT_FOUND"
    assert not agent.renew(lease).cancel


def test_a_failed_attempt_is_tried_again_where_that_helps(running: Running, agent: FakeAgent) -> None:
    job = submit(running, max_attempts=2)
    again = agent.fail(agent.acquire().lease, "out_of_disk", retry=True)
    assert (again.state, again.attempt) == (ppb.JOB_STATE_PENDING, 1)
    ended = agent.fail(agent.acquire().lease, "crashed", retry=True)
    assert (ended.state, ended.attempt, ended.failure.code) == (ppb.JOB_STATE_FAILED, 2, "crashed")
    assert [failure.code for failure in ended.attempt_failures] == ["out_of_disk", "crashed"]
    assert get(running, job) == ended
    assert not agent.acquire().HasField("job")


def test_a_job_that_is_given_back_costs_no_attempt(running: Running, agent: FakeAgent) -> None:
    job = submit(running, max_attempts=1)
    agent.release(agent.acquire().lease)
    assert (get(running, job).state, get(running, job).attempt) == (ppb.JOB_STATE_PENDING, 0)
    assert agent.acquire().lease.attempt == 1


def test_a_cancelled_job_is_learnt_of_by_renewing(running: Running, agent: FakeAgent) -> None:
    job = submit(running)
    lease = agent.acquire().lease
    asked = running.profiling.CancelJob(jpb.CancelJobRequest(job_id=job.id)).job
    assert (asked.state, asked.cancel_requested) == (ppb.JOB_STATE_LEASED, True)
    assert agent.renew(lease).cancel
    assert agent.fail(lease, "cancelled").state == ppb.JOB_STATE_CANCELLED
    assert refusal(lambda: agent.renew(lease)).reason == "LEASE_LOST"


def test_an_agent_that_drains_takes_no_more(running: Running, agent: FakeAgent) -> None:
    for _ in range(2):
        submit(running)
    lease = agent.acquire().lease
    drained = running.profiling.DrainAgent(jpb.DrainAgentRequest(agent="one")).agent
    assert drained.state == ppb.AGENT_STATE_DRAINING
    assert agent.complete(lease).state == ppb.JOB_STATE_SUCCEEDED
    answer = agent.acquire(wait_s=30)  # and is told at once
    assert (answer.drain, answer.HasField("job")) == (True, False)
    assert running.profiling.DrainAgent(jpb.DrainAgentRequest(agent=agent.id, undo=True)).agent.state == (
        ppb.AGENT_STATE_ACTIVE
    )
    assert agent.acquire().HasField("job")


def test_registering_again_keeps_the_id_and_the_job(running: Running, agent: FakeAgent) -> None:
    job = submit(running)
    lease = agent.acquire().lease
    changed = running.agents.RegisterAgent(gpb.RegisterAgentRequest(agent=an_agent("one", version="0.2.0")))
    assert (changed.agent.id, changed.agent.version) == (agent.id, "0.2.0")
    assert list(changed.agent.job_ids) == [job.id]
    assert changed.poll_interval.ToNanoseconds() > 0
    assert agent.complete(lease).state == ppb.JOB_STATE_SUCCEEDED


def test_waiting_for_a_job_ends_with_one(running: Running, agent: FakeAgent) -> None:
    answers: list[gpb.AcquireJobResponse] = []
    thread = threading.Thread(target=lambda: answers.append(agent.acquire(wait_s=30)))
    thread.start()
    job = submit(running)
    thread.join(60)
    assert [answer.job.id for answer in answers] == [job.id]


def test_waiting_agents_leave_threads_to_others(tmp_path: Path) -> None:
    """With eight threads two may wait; the third is answered at once although it asked to wait."""
    with service_in_process(tmp_path, threads="8") as running:
        waiting = [FakeAgent(running.agents, f"agent-{number}").register() for number in range(3)]
        requests = [gpb.AcquireJobRequest(agent_id=agent.id, wait=Duration(seconds=30)) for agent in waiting]
        calls = [running.agents.AcquireJob.future(request) for request in requests]
        assert until(lambda: any(call.done() for call in calls))
        assert sum(call.done() for call in calls) == 1
        for _ in range(2):
            submit(running)
        assert until(lambda: all(call.done() for call in calls))
        assert sum(call.result().HasField("job") for call in calls) == 2


def test_a_stop_ends_the_waits(tmp_path: Path) -> None:
    with service_in_process(tmp_path, lease_s="300") as running:
        agent = FakeAgent(running.agents).register()
        call = running.agents.AcquireJob.future(gpb.AcquireJobRequest(agent_id=agent.id, wait=Duration(seconds=30)))
        watch = running.profiling.WatchJob(
            jpb.WatchJobRequest(job_id=submit(running, spec=a_spec(labels={"a": "b"}), allow_waiting=True).id)
        )
        assert next(watch).job.state == ppb.JOB_STATE_PENDING
        running.service.stop()
        assert not call.result(timeout=30).HasField("job")
        with pytest.raises(grpc.RpcError) as caught:
            next(watch)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


def test_an_agent_that_hung_up_gets_no_job(running: Running, agent: FakeAgent) -> None:
    request = gpb.AcquireJobRequest(agent_id=agent.id, wait=Duration(seconds=30))
    with pytest.raises(grpc.RpcError):
        running.agents.AcquireJob(request, timeout=0.5)
    job = submit(running)
    assert agent.acquire().job.id == job.id


class HungUp:
    """The context of a call whose caller has gone without the service having noticed in time."""

    def is_active(self) -> bool:
        return False

    def add_callback(self, callback: Callable[[], object]) -> bool:
        return True


@pytest.mark.parametrize("wait_s", [0, 1])
def test_a_job_leased_to_nobody_is_given_back(running: Running, agent: FakeAgent, wait_s: int) -> None:
    job = submit(running)
    servicer = AgentServicer(running.service._profiling, running.service.evidence, WaitingRoom(1))
    request = gpb.AcquireJobRequest(agent_id=agent.id, wait=Duration(seconds=wait_s))
    assert not servicer.AcquireJob(request, HungUp()).HasField("lease")  # type: ignore[arg-type]
    found = get(running, job)
    assert (found.state, found.attempt, len(found.attempt_failures)) == (ppb.JOB_STATE_PENDING, 0, 0)


WRONG_AGENTS: dict[str, dict[str, Any]] = {
    "agent.name": {"name": ""},
    "agent.host_class": {"host_class": ""},
    "agent.host_json": {"host_json": "[1]"},
    "agent.backends": {"backends": [ppb.BackendStatus(name="null"), ppb.BackendStatus(name="null")]},
    "agent.backends[0].name": {"backends": [ppb.BackendStatus()]},
    "agent.backends[0].precisions[0]": {"backends": [ppb.BackendStatus(name="null", precisions=[0])]},
    "agent.labels": {"labels": {"": "x"}},
    "agent.capacity": {"capacity": -1},
}


@pytest.mark.parametrize("path", WRONG_AGENTS)
def test_what_is_wrong_with_an_agent_is_named(tmp_path: Path, path: str) -> None:
    with service_in_process(tmp_path) as running:
        description = an_agent(**{"name": "one"} | WRONG_AGENTS[path])
        answer = refusal(lambda: running.agents.RegisterAgent(gpb.RegisterAgentRequest(agent=description)))
        assert (answer.code, answer.reason, list(answer.fields)) == ("INVALID_ARGUMENT", "INVALID_FIELD", [path])
        assert list(running.profiling.ListAgents(jpb.ListAgentsRequest()).agents) == []


LEASE = gpb.Lease(job_id="job_0", attempt=1, fencing_token=1)
WRONG_CALLS: dict[str, tuple[str, Any, str, str]] = {
    "no lease": ("RenewLease", gpb.RenewLeaseRequest(), "lease.job_id", "INVALID_FIELD"),
    "no attempt": (
        "ReportProgress", gpb.ReportProgressRequest(lease=gpb.Lease(job_id="j")), "lease.attempt", "INVALID_FIELD",
    ),
    "no fencing token": (
        "ReleaseJob", gpb.ReleaseJobRequest(lease=gpb.Lease(job_id="j", attempt=1)), "lease.fencing_token",
        "INVALID_FIELD",
    ),
    "unknown job": ("RenewLease", gpb.RenewLeaseRequest(lease=LEASE), "", "JOB_NOT_FOUND"),
    "progress beyond the end": (
        "ReportProgress", gpb.ReportProgressRequest(lease=LEASE, progress=ppb.Progress(fraction=1.5)),
        "progress.fraction", "INVALID_FIELD",
    ),
    "progress is no number": (
        "ReportProgress", gpb.ReportProgressRequest(lease=LEASE, progress=ppb.Progress(fraction=float("nan"))),
        "progress.fraction", "INVALID_FIELD",
    ),
    "no profile": ("CompleteJob", gpb.CompleteJobRequest(lease=LEASE), "profiles", "INVALID_FIELD"),
    "profile without verdict": (
        "CompleteJob", gpb.CompleteJobRequest(lease=LEASE, profiles=[a_profile(verdict=0)]), "profiles[0].verdict",
        "INVALID_FIELD",
    ),
    "verdict against its reasons": (
        "CompleteJob", gpb.CompleteJobRequest(lease=LEASE, profiles=[a_profile(verdict=ppb.VERDICT_INVALID)]),
        "profiles[0].verdict", "INVALID_FIELD",
    ),
    "measurement that is no number": (
        "CompleteJob",
        gpb.CompleteJobRequest(
            lease=LEASE, profiles=[a_profile(measurements=[ppb.Measurement(name="p99_ms", value=float("nan"))])]
        ),
        "profiles[0].measurements", "INVALID_FIELD",
    ),
    "failure without code": ("FailJob", gpb.FailJobRequest(lease=LEASE), "failure.code", "INVALID_FIELD"),
    "no part": ("FetchForJob", gpb.FetchForJobRequest(lease=LEASE), "part", "INVALID_FIELD"),
    "no agent": ("AcquireJob", gpb.AcquireJobRequest(), "agent_id", "INVALID_FIELD"),
    "unknown agent": ("AcquireJob", gpb.AcquireJobRequest(agent_id="agt_0"), "", "AGENT_NOT_FOUND"),
    "wait below nothing": (
        "AcquireJob", gpb.AcquireJobRequest(agent_id="a", wait=Duration(seconds=-1)), "wait", "INVALID_FIELD",
    ),
    "wait too long": (
        "AcquireJob", gpb.AcquireJobRequest(agent_id="a", wait=Duration(seconds=31)), "wait", "INVALID_FIELD",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def idle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A service that nothing changes."""
    with service_in_process(tmp_path_factory.mktemp("idle")) as running:
        yield running


@pytest.mark.parametrize("case", WRONG_CALLS)
def test_what_is_wrong_with_a_call_is_named(idle: Running, case: str) -> None:
    method, request, path, reason = WRONG_CALLS[case]

    def call() -> None:
        answer = getattr(idle.agents, method)(request)
        if method == "FetchForJob":
            list(answer)

    answer = refusal(call)
    assert answer.reason == reason
    assert answer.code == ("NOT_FOUND" if reason.endswith("NOT_FOUND") else "INVALID_ARGUMENT")
    assert list(answer.fields) == ([path] if path else [])


def test_two_replicas_share_jobs_and_agents(postgres_url: str, tmp_path: Path) -> None:
    first, second = open_database(postgres_url), open_database(postgres_url)
    blobs = str(tmp_path / "blobs")
    with (
        service_in_process(tmp_path, first, open_blob_store(blobs)) as one,
        service_in_process(tmp_path, second, open_blob_store(blobs)) as other,
    ):
        workers = [FakeAgent(one.agents, "one").register(), FakeAgent(other.agents, "other").register()]
        jobs = [submit(replica) for replica in (one, other) for _ in range(10)]
        taken: list[str] = []

        def work(worker: FakeAgent, elsewhere: Running) -> None:
            while (acquired := worker.acquire()).HasField("job"):
                taken.append(acquired.job.id)
                # Whichever replica is asked, it is the same lease.
                FakeAgent(elsewhere.agents).renew(acquired.lease)
                worker.complete(acquired.lease)

        threads = [
            threading.Thread(target=work, args=(worker, elsewhere))
            for worker, elsewhere in zip(workers, (other, one), strict=True)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
        assert sorted(taken) == sorted(job.id for job in jobs)
        assert {get(one, job).state for job in jobs} == {ppb.JOB_STATE_SUCCEEDED}
        assert other.profiling.ListProfiles(jpb.ListProfilesRequest()).total_size == len(jobs)
        assert [agent.name for agent in one.profiling.ListAgents(jpb.ListAgentsRequest()).agents] == ["one", "other"]
    first.close()
    second.close()


def test_a_restart_keeps_the_queue_and_the_leases(tmp_path: Path, sql_url: str) -> None:
    database = open_database(sql_url)
    with service_in_process(tmp_path, database) as running:
        agent = FakeAgent(running.agents).register()
        jobs = [submit(running), submit(running)]
        held = agent.acquire()
    database.close()
    database = open_database(sql_url)
    with service_in_process(tmp_path, database) as running:
        agent.stub = running.agents
        assert running.profiling.ListJobs(jpb.ListJobsRequest()).total_size == 2
        assert get(running, held.job).state == ppb.JOB_STATE_LEASED
        assert not agent.acquire().HasField("job")  # it holds as many as it can
        assert not agent.renew(held.lease).cancel
        assert agent.complete(held.lease).state == ppb.JOB_STATE_SUCCEEDED
        other = agent.acquire()
        assert {held.job.id, other.job.id} == {job.id for job in jobs}
        assert other.lease.fencing_token > held.lease.fencing_token
    database.close()

"""A real agent beside a real service: how it works, stops, and comes back."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from msearch.v1 import profiles_pb2 as pb
from msearch.v1 import profiling_service_pb2 as profiling
from msearch.v1.profiling_service_pb2_grpc import ProfilingServiceStub
from tests.agent_process import Jobs, kill, null_spec, running_agent, start_agent, wait_until_registered
from tests.service_process import service_process

ENDED = (pb.JOB_STATE_SUCCEEDED, pb.JOB_STATE_FAILED, pb.JOB_STATE_CANCELLED)
LEASE_S = "2"


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    with service_process(tmp_path, MSEARCH_LEASE_S=LEASE_S) as (_, address):
        yield address


@pytest.fixture
def jobs(address: str) -> Iterator[Jobs]:
    with grpc.insecure_channel(address) as channel:
        yield Jobs(channel)


def test_it_measures_what_is_submitted_and_reports(address: str, jobs: Jobs, tmp_path: Path) -> None:
    with running_agent(address, tmp_path, "one"):
        job = jobs.wait(jobs.submit(null_spec()), *ENDED)
        assert job.state == pb.JOB_STATE_SUCCEEDED, job.failure
        (profile,) = jobs.profiles(job.id)
        assert profile.host_class
        assert profile.load_text == "single_stream"
        assert {one.name for one in profile.measurements} >= {"p50_ms", "throughput_per_s", "cold_start_ms"}


@pytest.mark.slow
def test_it_tells_its_host_and_why_backends_are_missing(address: str, tmp_path: Path) -> None:
    with running_agent(address, tmp_path, "one", "--label", "rack=7"), grpc.insecure_channel(address) as channel:
        (agent,) = ProfilingServiceStub(channel).ListAgents(profiling.ListAgentsRequest()).agents
    assert agent.labels == {"rack": "7"}
    assert agent.host_json
    for backend in agent.backends:
        assert backend.available or backend.detail


@pytest.mark.slow
def test_a_job_that_fails_is_recorded_and_the_next_one_is_taken(address: str, jobs: Jobs, tmp_path: Path) -> None:
    with running_agent(address, tmp_path, "one"):
        unknown_mode = jobs.wait(jobs.submit(null_spec("sometimes:1ms")), *ENDED)
        assert unknown_mode.state == pb.JOB_STATE_FAILED
        assert unknown_mode.failure.code == "backend_unavailable"
        assert "sometimes" in unknown_mode.failure.message
        hung = null_spec("constant:50s")
        hung.deadline.FromSeconds(2)
        late = jobs.wait(jobs.submit(hung), *ENDED)
        assert late.failure.code == "deadline_exceeded"
        assert jobs.wait(jobs.submit(null_spec()), *ENDED).state == pb.JOB_STATE_SUCCEEDED


@pytest.mark.slow
def test_a_remote_target_that_does_not_answer_fails_the_job(address: str, jobs: Jobs, tmp_path: Path) -> None:
    spec = pb.JobSpec(
        variants=[pb.Variant(backend="remote", precision=pb.PRECISION_FP32)],
        loads=[pb.Load(scenario=pb.SCENARIO_SINGLE_STREAM)],
        remote_target="grpc://127.0.0.1:9/nothing",
    )
    with running_agent(address, tmp_path, "one"):
        job = jobs.wait(jobs.submit(spec), *ENDED)
    assert job.failure.code == "unreachable"
    assert "127.0.0.1:9" in job.failure.message


def test_a_cancelled_job_ends_while_it_runs(address: str, jobs: Jobs, tmp_path: Path) -> None:
    with running_agent(address, tmp_path, "one"):
        job_id = jobs.submit(null_spec(seconds=60, repeats=5))
        jobs.wait(job_id, pb.JOB_STATE_LEASED)
        jobs.cancel(job_id)
        assert jobs.wait(job_id, *ENDED).state == pb.JOB_STATE_CANCELLED
        assert not jobs.profiles(job_id)


@pytest.mark.slow
def test_sigterm_lets_the_running_job_finish(address: str, jobs: Jobs, tmp_path: Path) -> None:
    with running_agent(address, tmp_path, "one") as process:
        job_id = jobs.submit(null_spec(seconds=1.5))
        jobs.wait(job_id, pb.JOB_STATE_LEASED)
        later = jobs.submit(null_spec())
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        assert jobs.get(job_id).state == pb.JOB_STATE_SUCCEEDED
        assert jobs.get(later).state == pb.JOB_STATE_PENDING


@pytest.mark.slow
def test_a_second_sigterm_gives_the_job_back_and_the_attempt_does_not_count(
    address: str, jobs: Jobs, tmp_path: Path
) -> None:
    with running_agent(address, tmp_path, "one") as process:
        job_id = jobs.submit(null_spec(seconds=60))
        jobs.wait(job_id, pb.JOB_STATE_LEASED)
        process.send_signal(signal.SIGTERM)
        time.sleep(0.2)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        job = jobs.get(job_id)
    assert job.state == pb.JOB_STATE_PENDING
    assert job.attempt == 0


@pytest.mark.slow
def test_a_killed_agents_job_goes_to_another(address: str, jobs: Jobs, tmp_path: Path) -> None:
    with running_agent(address, tmp_path, "one") as doomed:
        job_id = jobs.submit(null_spec(seconds=8))
        jobs.wait(job_id, pb.JOB_STATE_LEASED)
        kill(doomed)
        assert not jobs.profiles(job_id)
    with running_agent(address, tmp_path, "two"):
        job = jobs.wait(job_id, *ENDED)
    assert job.state == pb.JOB_STATE_SUCCEEDED
    assert job.attempt == 2
    assert [failure.code for failure in job.attempt_failures] == ["lease_expired"]
    (profile,) = jobs.profiles(job_id)
    assert profile.attempt == 2


@pytest.mark.slow
def test_an_agent_waits_for_a_service_that_is_not_there_yet(tmp_path: Path) -> None:
    with service_process(tmp_path) as (process, address):
        process.terminate()
        process.wait(30)
        agent = start_agent(address, tmp_path, "early")
        try:
            time.sleep(1.0)
            assert agent.poll() is None
            command = ["serve", "--listen", address, "--data-dir", str(tmp_path / "data")]
            again = subprocess.Popen([sys.executable, "-m", "search_service", *command], stderr=subprocess.DEVNULL)
            try:
                assert wait_until_registered(tmp_path, "early").startswith("agt_")
            finally:
                again.terminate()
                again.wait(30)
        finally:
            kill(agent)


@pytest.mark.slow
def test_once_ends_after_one_job(address: str, jobs: Jobs, tmp_path: Path) -> None:
    first, second = jobs.submit(null_spec()), jobs.submit(null_spec())
    agent = start_agent(address, tmp_path, "one", "--once")
    try:
        assert agent.wait(90) == 0
    finally:
        agent.poll() is None and kill(agent)
    assert jobs.get(first).state == pb.JOB_STATE_SUCCEEDED
    assert jobs.get(second).state == pb.JOB_STATE_PENDING


@pytest.mark.slow
def test_job_folders_do_not_stay_behind(address: str, jobs: Jobs, tmp_path: Path) -> None:
    with running_agent(address, tmp_path, "one"):
        jobs.wait(jobs.submit(null_spec()), *ENDED)
        jobs.wait(jobs.submit(null_spec("sometimes:1ms")), *ENDED)
        time.sleep(0.3)
        assert list((tmp_path / "agents" / "work" / "one").iterdir()) == []


@pytest.mark.slow
def test_a_second_agent_of_the_same_name_does_not_start(address: str, jobs: Jobs, tmp_path: Path) -> None:
    with running_agent(address, tmp_path, "one"):
        again = start_agent(address, tmp_path, "one")
        assert again.wait(60) == 1
        assert "an agent one runs already" in (tmp_path / "one.log").read_text(encoding="utf-8")
        assert jobs.wait(jobs.submit(null_spec()), *ENDED).state == pb.JOB_STATE_SUCCEEDED

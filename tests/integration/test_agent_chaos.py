"""Agents and the service are killed at random while jobs run: nothing is lost, nothing counts twice."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import grpc
import pytest

from msearch.v1 import profiles_pb2 as pb
from tests.agent_process import Jobs, kill, null_spec, start_agent
from tests.databases import sqlite_copy

JOBS, AGENTS, KILLS = 12, 3, 8
ENDED = (pb.JOB_STATE_SUCCEEDED, pb.JOB_STATE_FAILED)


class Service:
    """A service on a fixed port over one database, which can be killed and started again."""

    def __init__(self, folder: Path, database: str, address: str) -> None:
        self._command = [sys.executable, "-m", "search_service", "serve", "--listen", address]
        self._command += ["--database", database, "--data-dir", str(folder / "data")]
        self._log = folder / "service.log"
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            import os

            environment = {key: value for key, value in os.environ.items() if not key.startswith("MSEARCH_")}
            return subprocess.Popen(self._command, stdout=log, stderr=log, env=environment | {"MSEARCH_LEASE_S": "2"})

    def kill_and_start(self) -> None:
        kill(self.process)
        self.process = self._start()


def free_address() -> str:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


@pytest.mark.slow
@pytest.mark.timeout(280)
@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_every_job_ends_once_whoever_is_killed(
    engine: str, tmp_path: Path, sqlite_template: Path, request: pytest.FixtureRequest
) -> None:
    url = request.getfixturevalue("postgres_url") if engine == "postgresql" else sqlite_copy(sqlite_template, tmp_path)
    chance = random.Random(7)
    address = free_address()
    service = Service(tmp_path, url, address)
    agents = {f"agent{number}": start_agent(address, tmp_path, f"agent{number}") for number in range(AGENTS)}
    try:
        with grpc.insecure_channel(address, options=[("grpc.max_reconnect_backoff_ms", 500)]) as channel:
            jobs = Jobs(channel)
            # A killed agent costs an attempt, so there are more of those than kills.
            ids = [jobs.submit(null_spec(seconds=0.5), max_attempts=KILLS + 1) for _ in range(JOBS)]
            for _ in range(KILLS):
                time.sleep(chance.uniform(0.5, 3.0))
                if chance.random() < 0.3:
                    service.kill_and_start()
                else:
                    name = chance.choice(sorted(agents))
                    kill(agents[name])
                    agents[name] = start_agent(address, tmp_path, name)
            ended = {job_id: wait(jobs, job_id) for job_id in ids}
            for job_id, job in ended.items():
                assert job.state == pb.JOB_STATE_SUCCEEDED, job
                profiles = jobs.profiles(job_id)
                assert [profile.attempt for profile in profiles] == [job.attempt]
                assert list(job.profile_ids) == [profile.id for profile in profiles]
                assert all(failure.code == "lease_expired" for failure in job.attempt_failures)
                assert len(job.attempt_failures) == job.attempt - 1
    finally:
        for process in (*agents.values(), service.process):
            kill(process)


def wait(jobs: Jobs, job_id: str) -> pb.Job:
    """As `Jobs.wait`, over restarts of the service."""
    deadline = time.monotonic() + 200
    while time.monotonic() < deadline:
        try:
            return jobs.wait(job_id, *ENDED, timeout_s=150)
        except grpc.RpcError:
            time.sleep(0.2)
    raise AssertionError(f"{job_id} did not end")

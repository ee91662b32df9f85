"""An experiment goes on when an agent is lost, the database restarts, the disk is full, or the clock is set.

Nothing is lost, nothing counts twice.
"""

from __future__ import annotations

import resource
import signal
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest

from msearch.v1 import benchmark_service_pb2 as pb
from msearch.v1 import profiles_pb2 as ppb
from msearch.v1 import profiling_service_pb2 as prof
from msearch.v1.agent_service_pb2_grpc import AgentServiceStub
from msearch.v1.benchmark_service_pb2_grpc import BenchmarkServiceStub
from msearch.v1.profiling_service_pb2_grpc import ProfilingServiceStub
from search_service.api import service as service_module
from search_service.domain.ports import Database
from search_service.storage.schema import migrate
from search_service.storage.sql import open_database
from tests.agent_process import kill, running_agent, start_agent, wait_until_registered
from tests.databases import RestartablePostgres, restartable_postgres
from tests.fake_agent import FakeAgent
from tests.integration.test_service_experiments import GENERATED, cells, get, jobs, profiles_for, submit
from tests.service_in_process import Running, refused, service_in_process
from tests.service_process import service_process

FILE = """
software: {backend: null, mode: ["constant:1ms", "constant:2ms", "constant:3ms", "constant:4ms"]}
loads: single_stream
limits: {repeats: 1, min_queries: 20, min_duration_s: 0.5}
retries: 0
"""
PATIENCE_S = 150
ENDED = (pb.CELL_STATE_MEASURED, pb.CELL_STATE_INVALID)


def wait_until(running: Running, experiment_id: str, state: pb.ExperimentState.ValueType) -> pb.Experiment:
    ends = time.monotonic() + PATIENCE_S
    while (found := get(running, experiment_id)).state != state:
        assert time.monotonic() < ends, found
        time.sleep(0.2)
    return found


def wait_for_holder(running: Running, experiment_id: str, agent_id: str) -> ppb.Job:
    """The job that the agent has taken."""
    ends = time.monotonic() + PATIENCE_S
    while True:
        for job in jobs(running, experiment_id):
            if job.state == ppb.JOB_STATE_LEASED and job.agent_id == agent_id:
                return job
        assert time.monotonic() < ends
        time.sleep(0.02)


@pytest.mark.slow
@pytest.mark.timeout(280)
def test_an_agent_is_lost_and_the_rest_goes_on(tmp_path: Path, sql_database: Database) -> None:
    with service_in_process(tmp_path, sql_database, lease_s="2") as running:
        address = running.service.address
        doomed = start_agent(address, tmp_path, "doomed")
        try:
            doomed_id = wait_until_registered(tmp_path, "doomed")
            experiment_id = submit(running, FILE).experiment.id
            lost = wait_for_holder(running, experiment_id, doomed_id)
        finally:
            kill(doomed)
        with running_agent(address, tmp_path, "survivor"):
            done = wait_until(running, experiment_id, pb.EXPERIMENT_STATE_FINISHED)
        # On a busy machine a run may be INVALID; it has ended all the same.
        assert done.cells.measured + done.cells.invalid == done.cells.total == 4, done
        by_id = {job.id: job for job in jobs(running, experiment_id)}
        assert len(by_id) == 4
        assert all(job.state == ppb.JOB_STATE_SUCCEEDED for job in by_id.values())
        again = by_id[lost.id]
        assert [failure.code for failure in again.attempt_failures] == ["lease_expired"]
        assert (again.attempt, again.agent_id != doomed_id) == (2, True)
        assert_counted_once(running, experiment_id)


def assert_counted_once(running: Running, experiment_id: str) -> None:
    """Every cell has a profile of its own, and no other profile is stored."""
    found = cells(running, experiment_id)
    assert all(cell.state in ENDED for cell in found)
    stored = running.profiling.ListProfiles(prof.ListProfilesRequest(include_invalid=True, page_size=1000)).profiles
    assert Counter(profile.id for profile in stored) == Counter(cell.profile.id for cell in found)


@pytest.fixture
def postgres() -> Iterator[RestartablePostgres]:
    with restartable_postgres() as server:
        migrate(server.url)
        yield server


@pytest.mark.slow
@pytest.mark.timeout(280)
def test_the_database_restarts_in_the_middle(tmp_path: Path, postgres: RestartablePostgres) -> None:
    database = open_database(postgres.url)
    with service_in_process(tmp_path, database, lease_s="30") as running:
        agent = FakeAgent(running.agents).register()
        experiment_id = submit(running, GENERATED).experiment.id
        first = agent.acquire()

        postgres.stop()
        for call in (
            lambda: agent.complete(first.lease, *profiles_for(first.job.spec)),
            lambda: get(running, experiment_id),
            lambda: submit(running, FILE),
        ):
            with pytest.raises(grpc.RpcError) as caught:
                call()
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        postgres.start()

        assert get(running, experiment_id).cells == pb.CellCounts(total=8, waiting=4, running=4)
        agent.complete(first.lease, *profiles_for(first.job.spec))
        agent.complete(first.lease, *profiles_for(first.job.spec))
        second = agent.acquire()
        agent.complete(second.lease, *profiles_for(second.job.spec))
        done = get(running, experiment_id)
        assert done.state == pb.EXPERIMENT_STATE_FINISHED
        assert done.cells == pb.CellCounts(total=8, measured=8)
        assert_counted_once(running, experiment_id)
        assert running.benchmarks.ListExperiments(pb.ListExperimentsRequest()).total_size == 1
    database.close()


@pytest.mark.slow
def test_the_clock_of_the_service_is_set_forward_and_back(
    tmp_path: Path, sql_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_by = [timedelta()]
    monkeypatch.setattr(service_module, "_now", lambda: datetime.now(UTC) + set_by[-1])
    with service_in_process(tmp_path, sql_database, lease_s="2") as running:
        experiment_id = submit(running, GENERATED, allow_waiting=True).experiment.id
        working, lost = FakeAgent(running.agents, "working").register(), FakeAgent(running.agents, "lost").register()
        first, second = working.acquire(wait_s=10), lost.acquire(wait_s=10)
        for hours in (3, -3):
            set_by.append(timedelta(hours=hours))
            ends = time.monotonic() + 5
            while time.monotonic() < ends:
                working.renew(first.lease)
                time.sleep(0.5)
        working.complete(first.lease, *profiles_for(first.job.spec))
        working.complete(first.lease, *profiles_for(first.job.spec))
        again = working.acquire(wait_s=10)
        assert (again.job.id, again.job.attempt) == (second.job.id, 2), "the job of the lost agent"
        with pytest.raises(grpc.RpcError) as caught:
            lost.complete(second.lease, *profiles_for(second.job.spec))
        assert caught.value.code() is grpc.StatusCode.ABORTED
        working.complete(again.lease, *profiles_for(again.job.spec))
        done = get(running, experiment_id)
        assert done.cells == pb.CellCounts(total=8, measured=8)
        assert_counted_once(running, experiment_id)


def survive_full_disks() -> None:
    """A process that may write no larger files gets an error, as it would on a full disk, and not a signal."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)


def test_the_disk_is_full_in_the_middle(tmp_path: Path) -> None:
    """Database, artifacts and log lie on it. A limit on the size of files, of the running process, stands for it."""
    with (
        service_process(tmp_path, prepare=survive_full_disks) as (process, address),
        grpc.insecure_channel(address) as channel,
    ):
        agent = FakeAgent(AgentServiceStub(channel)).register()
        benchmarks = BenchmarkServiceStub(channel)
        experiment_id = benchmarks.SubmitExperiment(pb.SubmitExperimentRequest(document=GENERATED)).experiment.id
        asked = pb.GetExperimentRequest(experiment=experiment_id)
        first = agent.acquire()

        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
        for call in (
            lambda: agent.complete(first.lease, *profiles_for(first.job.spec)),
            lambda: agent.renew(first.lease),
            lambda: benchmarks.SubmitExperiment(pb.SubmitExperimentRequest(document=FILE, allow_waiting=True)),
        ):
            with refused() as caught:
                call()
            assert (caught[0].code, caught[0].reason) == ("UNAVAILABLE", "STORAGE_UNAVAILABLE")
            assert "disk" in caught[0].message
        assert benchmarks.GetExperiment(asked).experiment.cells == pb.CellCounts(total=8, waiting=4, running=4)
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

        agent.complete(first.lease, *profiles_for(first.job.spec))
        agent.complete(first.lease, *profiles_for(first.job.spec))
        second = agent.acquire()
        agent.complete(second.lease, *profiles_for(second.job.spec))
        done = benchmarks.GetExperiment(asked).experiment
        assert (done.state, done.cells) == (pb.EXPERIMENT_STATE_FINISHED, pb.CellCounts(total=8, measured=8))
        stored = ProfilingServiceStub(channel).ListProfiles(prof.ListProfilesRequest(include_invalid=True))
        assert stored.total_size == 8
        assert benchmarks.ListExperiments(pb.ListExperimentsRequest()).total_size == 1

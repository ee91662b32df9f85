"""Reports, renewals and expiries of one lease at the same moment, from several replicas: one of them counts."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import count

import pytest

from search_service.domain.errors import LeaseLost
from search_service.domain.jobs import Failure, JobState, Lease
from search_service.domain.ports import Database
from search_service.domain.profiling import ProfileFilter
from search_service.storage.sql import open_database
from search_service.usecases.agents import AgentReport, register_agent
from search_service.usecases.jobs import cancel_job, get_job, submit_job
from search_service.usecases.lease_keeping import expire_leases
from search_service.usecases.leases import acquire_job, complete_job, fail_job, release_job, renew_lease
from search_service.usecases.profiling import Profiling
from tests.catalogue import NOW
from tests.profiling_objects import a_profile, a_spec, an_agent

ROUNDS = 8


@pytest.fixture
def replicas(sql_url: str) -> Iterator[tuple[Database, Database]]:
    """Two, each with its own connections."""
    one, other = open_database(sql_url), open_database(sql_url)
    yield one, other
    one.close()
    other.close()


def service(database: Database) -> Profiling:
    numbers = count(1)
    return Profiling(
        database=database,
        blobs=None,  # type: ignore[arg-type]  # nothing is fetched here
        clock=lambda: NOW,
        new_id=lambda prefix: f"{prefix}_{id(database)}_{next(numbers)}",
        wait=lambda _: True,
    )


def at_once(acts: list[Callable[[], object]]) -> list[bool]:
    """Does all at the same moment and says which were not refused."""
    barrier = threading.Barrier(len(acts))

    def act_on_time(act: Callable[[], object]) -> bool:
        barrier.wait()
        try:
            act()
        except LeaseLost:
            return False
        return True

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(act_on_time, acts))


def ends_of(lease: Lease, one: Profiling, other: Profiling) -> list[Callable[[], object]]:
    """Three completions, and everything else that could end the lease or keep it."""
    crashed = Failure(code="crashed", message="")
    return [
        *[lambda by=by: complete_job(by, None, lease, [a_profile("")] * 2) for by in (one, other, one)],
        *[lambda by=by: fail_job(by, None, lease, crashed, retry=True) for by in (one, other)],
        lambda: release_job(other, None, lease),
        lambda: renew_lease(one, None, lease),
        lambda: cancel_job(other, lease.job_id),
        *[lambda by=by: expire_leases(by, NOW + timedelta(seconds=31)) for by in (one, other)],
    ]


def test_one_of_many_ends_counts(replicas: tuple[Database, Database]) -> None:
    one, other = (service(database) for database in replicas)
    agent = register_agent(one, None, AgentReport(name="a", host_class="cpu", backends=an_agent().backends, labels={}))
    stored = 0
    for _ in range(ROUNDS):
        submit_job(one, "", a_spec(), max_attempts=1)
        lease = acquire_job(other, None, agent.agent.id).lease
        assert lease is not None
        completed = at_once(ends_of(lease, one, other))[:3]
        job = get_job(one, lease.job_id)
        succeeded = job.state is JobState.SUCCEEDED
        assert job.state is not JobState.LEASED, "one end counted"
        assert completed == [succeeded] * 3, "a completion that counts is repeated in vain, and never refused"
        assert len(job.profile_ids) == 2 * succeeded
        stored += len(job.profile_ids)
        with replicas[1].begin() as unit:
            assert unit.profiles.page(ProfileFilter(), None, 1).total == stored
            assert unit.profiles.page(ProfileFilter(job_id=job.id), None, 1).total == len(job.profile_ids)
            assert unit.jobs.held_by([agent.agent.id]) == {}
        cancel_job(one, job.id)

"""Somebody sets the clock of the service while agents work: no lease is lost by it, and none is kept by it."""

from __future__ import annotations

import pytest

from search_service.domain.jobs import Job, JobState
from search_service.domain.profiling import AgentState
from search_service.usecases.agents import AgentReport, get_agent, register_agent
from search_service.usecases.explaining import explain_job
from search_service.usecases.jobs import get_job, submit_job
from search_service.usecases.lease_keeping import LeaseKeeper
from search_service.usecases.leases import Acquired, acquire_job, complete_job, renew_lease
from tests.profiling_at_work import AtWork, at_work
from tests.profiling_objects import a_profile, a_spec, an_agent

__all__ = ["at_work"]

HOUR_S = 3600.0
SET_BY = (-1000 * HOUR_S, -HOUR_S, -60.0, 60.0, HOUR_S, 1000 * HOUR_S)


def registered(at_work: AtWork, name: str) -> str:
    report = AgentReport(name=name, host_class="cpu-epyc", backends=an_agent().backends, labels={})
    return register_agent(at_work.profiling, None, report).agent.id


def leased(at_work: AtWork) -> Acquired:
    """A job that the agent "box" holds."""
    agent_id = registered(at_work, "box")
    submit_job(at_work.profiling, "", a_spec(deadline_s=120.0))
    got = acquire_job(at_work.profiling, None, agent_id)
    assert got.job is not None
    return got


def pass_time(at_work: AtWork, keeper: LeaseKeeper, seconds: int, works: Acquired | None = None) -> int:
    """So many seconds, in which the service looks after leases, and an agent that works renews. How many are lost."""
    taken_back = 0
    for second in range(seconds):
        at_work.pass_time(1)
        if works is not None and works.lease is not None and second % 10 == 9:
            renew_lease(at_work.profiling, None, works.lease)
        taken_back += keeper.take_back()
    return taken_back


@pytest.mark.parametrize("seconds", SET_BY)
def test_an_agent_that_works_keeps_its_job(at_work: AtWork, seconds: float) -> None:
    got, keeper = leased(at_work), LeaseKeeper(at_work.profiling)
    assert got.lease is not None
    pass_time(at_work, keeper, 15, got)
    at_work.set_clock(seconds)
    assert pass_time(at_work, keeper, 100, got) == 0
    assert get_agent(at_work.profiling, "box").state is AgentState.ACTIVE
    done = complete_job(at_work.profiling, None, got.lease, [a_profile("")])
    assert (done.state, done.attempt, len(done.profile_ids)) == (JobState.SUCCEEDED, 1, 1)


@pytest.mark.parametrize("seconds", SET_BY)
def test_a_lost_agent_loses_its_job_all_the_same(at_work: AtWork, seconds: float) -> None:
    got, keeper = leased(at_work), LeaseKeeper(at_work.profiling)
    assert got.job is not None
    pass_time(at_work, keeper, 15)
    at_work.set_clock(seconds)
    assert pass_time(at_work, keeper, 65) == 1, "within two leases, whatever the clock says"
    job = get_job(at_work.profiling, got.job.id)
    assert (job.state, [failure.code for failure in job.attempt_failures]) == (JobState.PENDING, ["lease_expired"])
    at_work.pass_time(60)
    assert get_agent(at_work.profiling, "box").state is AgentState.GONE
    other = acquire_job(at_work.profiling, None, registered(at_work, "other"))
    assert other.job is not None
    assert (other.job.id, other.job.attempt) == (job.id, 2)


def test_a_clock_that_is_set_by_little_delays_nothing(at_work: AtWork) -> None:
    leased(at_work)
    keeper = LeaseKeeper(at_work.profiling)
    pass_time(at_work, keeper, 15)
    at_work.set_clock(-1.0)
    assert pass_time(at_work, keeper, 17) == 1


@pytest.mark.parametrize("seconds", SET_BY)
def test_who_waits_for_a_job_waits_as_long_as_asked(at_work: AtWork, seconds: float) -> None:
    agent_id = registered(at_work, "box")
    set_once = iter([seconds])
    at_work.while_waiting = lambda: at_work.set_clock(next(set_once, 0.0))
    assert acquire_job(at_work.profiling, None, agent_id, 5.0).job is None
    assert at_work.waited_s == pytest.approx(5.0)


@pytest.mark.parametrize("seconds", SET_BY)
def test_a_job_is_never_held_to_have_taken_longer_than_it_may(at_work: AtWork, seconds: float) -> None:
    got = leased(at_work)
    assert got.lease is not None
    assert got.job is not None
    at_work.set_clock(seconds)
    complete_job(at_work.profiling, None, got.lease, [a_profile("")])
    assert 0 <= used_s(at_work, got.job) <= 120 + 30


def used_s(at_work: AtWork, job: Job) -> float:
    """The agents' time that the user of a job has had."""
    with at_work.database.begin() as unit:
        return unit.scheduling.usages([job.submitted_by])[job.submitted_by].seconds


@pytest.mark.parametrize("seconds", SET_BY)
def test_no_wait_is_told_as_less_than_none(at_work: AtWork, seconds: float) -> None:
    leased(at_work)
    job = submit_job(at_work.profiling, "", a_spec())
    at_work.set_clock(seconds)
    registered(at_work, "box")
    said = explain_job(at_work.profiling, job.id).why
    assert said.startswith("waited ")
    assert "-" not in said.split(" for ")[0], said

"""The states of a job as a state machine: agents that vanish, late and repeated reports, cancellations, expiries.

The use cases run on the memory database, which the contract suites hold to the same behaviour as SQLite and
PostgreSQL; a model beside them remembers which lease each job is held under and what may become of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, precondition, rule

from search_service.domain.errors import LeaseLost
from search_service.domain.jobs import Failure, Job, JobState, Lease, Progress
from search_service.domain.ports import Database
from search_service.storage.memory import MemoryDatabase
from search_service.usecases import leases as use
from search_service.usecases.agents import AgentReport, drain_agent, register_agent
from search_service.usecases.fleet import read_fleet
from search_service.usecases.jobs import cancel_job, get_job, submit_job
from search_service.usecases.lease_keeping import expire_leases
from search_service.usecases.profiling import Profiling
from tests.catalogue import NOW
from tests.profiling_objects import a_profile, a_spec, an_agent

AGENTS = 3
LEASE_S = 30.0


@dataclass
class Held:
    """What the model knows of a lease: `live` until its holder ends it or it is taken back."""

    lease: Lease
    agent_id: str
    expires_at: datetime
    live: bool = True
    ended_by: str = ""


@dataclass
class Expected:
    """What the model knows of a job."""

    max_attempts: int
    counted: int = 0
    cancel_requested: bool = False
    state: JobState = JobState.PENDING
    failures: list[str] = field(default_factory=list)
    held: list[Held] = field(default_factory=list)


class JobStates(RuleBasedStateMachine):
    """Any order of calls, at any time, from three agents and from people."""

    leases = Bundle("leases")
    jobs = Bundle("jobs")

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.numbers = count(1)
        self.database = self.open_database()
        self.profiling = Profiling(
            database=self.database,
            blobs=None,  # type: ignore[arg-type]  # nothing is fetched here
            clock=lambda: self.now,
            new_id=lambda prefix: f"{prefix}_{next(self.numbers)}",
            wait=lambda _: True,
            lease_duration=timedelta(seconds=LEASE_S),
        )
        self.expected: dict[str, Expected] = {}
        self.tokens: list[int] = []

    def open_database(self) -> Database:
        return MemoryDatabase()

    def teardown(self) -> None:
        self.database.close()

    @initialize(target=jobs, attempts=st.lists(st.integers(1, 3), min_size=1, max_size=3))
    def submit_some(self, attempts: list[int]) -> object:
        return multiple(*(self.submit_one(max_attempts) for max_attempts in attempts))

    @initialize()
    def register(self) -> None:
        self.agent_ids = [
            register_agent(
                self.profiling,
                None,
                AgentReport(
                    name=f"a{n}", host_class="cpu", backends=an_agent().backends, labels={}, capacity=1 + n % 2
                ),
            ).agent.id
            for n in range(AGENTS)
        ]

    @precondition(lambda self: sum(job.state is JobState.PENDING for job in self.expected.values()) < 3)
    @rule(target=jobs, max_attempts=st.integers(1, 3))
    def submit(self, max_attempts: int) -> str:
        return self.submit_one(max_attempts)

    def submit_one(self, max_attempts: int) -> str:
        job = submit_job(self.profiling, "", a_spec(), allow_waiting=True, max_attempts=max_attempts)
        self.expected[job.id] = Expected(max_attempts)
        return job.id

    @rule(seconds=st.sampled_from([1.0, LEASE_S / 2, LEASE_S - 1, LEASE_S, LEASE_S + 1]))
    def pass_time(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    # Two rules for one act: hypothesis draws rules evenly, and most others need a lease to be of interest.
    @rule(target=leases, agent=st.integers(0, AGENTS - 1))
    def acquire(self, agent: int) -> object:
        return self.acquire_as(agent)

    @rule(target=leases, agent=st.integers(0, AGENTS - 1))
    def acquire_too(self, agent: int) -> object:
        return self.acquire_as(agent)

    def acquire_as(self, agent: int) -> object:
        agent_id = self.agent_ids[agent]
        holding = [one for job in self.expected.values() for one in job.held if one.live and one.agent_id == agent_id]
        waiting = [key for key, job in self.expected.items() if job.state is JobState.PENDING]
        got = use.acquire_job(self.profiling, None, agent_id)
        if len(holding) > agent % 2 or not waiting or got.drain:
            assert got.lease is None
            return multiple()
        if got.lease is None:
            self.stands_back(agent_id, [get_job(self.profiling, key) for key in waiting])
            return multiple()
        assert got.job is not None
        assert got.lease.job_id in waiting
        job = self.expected[got.lease.job_id]
        job.state = JobState.LEASED
        job.counted += 1
        assert got.lease.attempt == job.counted <= job.max_attempts
        assert not any(one.live for one in job.held), "nobody else holds it"
        assert not self.tokens or got.lease.fencing_token > max(self.tokens)
        self.tokens.append(got.lease.fencing_token)
        held = Held(got.lease, agent_id, self.now + timedelta(seconds=LEASE_S))
        job.held.append(held)
        return held

    def stands_back(self, agent_id: str, waiting: list[Job]) -> None:
        """An agent idles while a job waits only in quarantine, or where another is there for it: a faster one, or one
        that shall do what this one has failed.
        """
        if all(job.failed_on == agent_id and job.placed_on not in ("", agent_id) for job in waiting):
            return
        with self.database.begin() as unit:
            fleet = read_fleet(self.profiling, unit)
        asking = fleet.agents[fleet.name(agent_id)]
        faster = [one for one in fleet.agents.values() if one.speed > asking.speed and not one.away]
        assert asking.quarantined_until > fleet.now or faster

    @rule(undo=st.booleans())
    def drain(self, undo: bool) -> None:
        drain_agent(self.profiling, self.agent_ids[0], undo=undo)

    @rule(held=leases)
    def renew(self, held: Held) -> None:
        job = self.expected[held.lease.job_id]
        if not held.live:
            self.refused(held, lambda: use.renew_lease(self.profiling, None, held.lease))
            return
        lease, cancel = use.renew_lease(self.profiling, None, held.lease)
        assert cancel == job.cancel_requested
        held.expires_at = self.now + timedelta(seconds=LEASE_S)
        assert lease.expires_at == held.expires_at

    @rule(held=leases, fraction=st.sampled_from([0.0, 0.5, 1.0]))
    def report_progress(self, held: Held, fraction: float) -> None:
        progress = Progress(fraction=fraction, stage="measure")
        if not held.live:
            self.refused(held, lambda: use.report_progress(self.profiling, None, held.lease, progress))
            return
        use.report_progress(self.profiling, None, held.lease, progress)
        assert get_job(self.profiling, held.lease.job_id).progress == progress

    @rule(held=leases, profiles=st.integers(1, 3))
    def complete(self, held: Held, profiles: int) -> None:
        reported = [a_profile("", measurements=()) for _ in range(profiles)]

        def act() -> Job:
            return use.complete_job(self.profiling, None, held.lease, reported)

        job = self.expected[held.lease.job_id]
        if held.ended_by == "complete":
            self.unchanged(held, act)
        elif not held.live:
            self.refused(held, act)
        else:
            done = act()
            assert len(done.profile_ids) == profiles
            self.end(job, held, "complete", JobState.SUCCEEDED)

    @rule(held=leases, retry=st.booleans(), code=st.sampled_from(["crashed", "cancelled"]))
    def fail(self, held: Held, retry: bool, code: str) -> None:
        def act() -> Job:
            return use.fail_job(self.profiling, None, held.lease, Failure(code=code, message="it did"), retry=retry)

        job = self.expected[held.lease.job_id]
        if held.ended_by == "fail" and job.held[-1] is held:
            self.unchanged(held, act)
        elif not held.live:
            self.refused(held, act)
        else:
            act()
            if not (job.cancel_requested and code == "cancelled"):
                job.failures.append(code)
            self.end(job, held, "fail", self.after_failure(job, retry))

    @rule(held=leases)
    def release(self, held: Held) -> None:
        def act() -> None:
            use.release_job(self.profiling, None, held.lease)

        job = self.expected[held.lease.job_id]
        if held.ended_by == "release" and job.held[-1] is held:
            self.unchanged(held, act)
        elif not held.live:
            self.refused(held, act)
        else:
            act()
            job.counted -= 1
            self.end(job, held, "release", JobState.CANCELLED if job.cancel_requested else JobState.PENDING)

    @rule(held=leases)
    def cancel_what_is_held(self, held: Held) -> None:
        self.cancel_one(held.lease.job_id)

    @rule(job_id=jobs)
    def cancel(self, job_id: str) -> None:
        self.cancel_one(job_id)

    def cancel_one(self, job_id: str) -> None:
        job = self.expected[job_id]
        answer = cancel_job(self.profiling, job_id)
        if job.state is JobState.PENDING:
            job.state = JobState.CANCELLED
        elif job.state is JobState.LEASED:
            job.cancel_requested = True
        assert (answer.state, answer.cancel_requested) == (job.state, job.cancel_requested)

    @rule()
    def expire(self) -> None:
        self.expire_what_is_due()

    @rule()
    def vanish(self) -> None:
        """All agents at once, for longer than a lease."""
        self.now += timedelta(seconds=LEASE_S + 1)
        self.expire_what_is_due()

    def expire_what_is_due(self) -> None:
        due = [
            (job, held)
            for job in self.expected.values()
            for held in job.held
            if held.live and held.expires_at <= self.now
        ]
        assert expire_leases(self.profiling, self.now) == len(due)
        assert expire_leases(self.profiling, self.now) == 0, "once more changes nothing"
        for job, held in due:
            job.failures.append("lease_expired")
            self.end(job, held, "expiry", self.after_failure(job, retry=True))

    @rule(held=leases, off=st.sampled_from([-1, 1]))
    def show_a_lease_that_never_was(self, held: Held, off: int) -> None:
        lease = held.lease
        for attempt, token in ((lease.attempt + off, lease.fencing_token), (lease.attempt, lease.fencing_token + 1000)):
            made_up = Lease(job_id=lease.job_id, attempt=attempt, fencing_token=token)
            before = get_job(self.profiling, lease.job_id)
            with pytest.raises(LeaseLost):
                use.complete_job(self.profiling, None, made_up, [a_profile("", measurements=())])
            assert get_job(self.profiling, lease.job_id) == before

    @invariant()
    def the_queue_holds_what_is_pending(self) -> None:
        pending = {job_id for job_id, job in self.expected.items() if job.state is JobState.PENDING}
        with self.database.begin() as unit:
            assert {job_id for _, job_id in unit.queue.after(0, 1000)} == pending

    @invariant()
    def everything_is_as_expected(self) -> None:
        for job_id, expected in self.expected.items():
            job = get_job(self.profiling, job_id)
            live = [held for held in expected.held if held.live]
            assert job.state is expected.state
            assert len(live) == (job.state is JobState.LEASED)
            assert job.attempt == expected.counted <= job.max_attempts
            assert [failure.code for failure in job.attempt_failures] == expected.failures
            assert job.cancel_requested == expected.cancel_requested
            assert (job.ended_at is not None) == job.state.ended
            assert (job.expires_at is not None) == (job.state is JobState.LEASED)
            assert (job.failure is not None) == (job.state is JobState.FAILED)
            assert bool(job.profile_ids) == (job.state is JobState.SUCCEEDED)
            assert sum(held.ended_by == "complete" for held in expected.held) == (job.state is JobState.SUCCEEDED)
            if live:
                assert (job.agent_id, job.fencing_token) == (live[0].agent_id, live[0].lease.fencing_token)
                assert job.expires_at == live[0].expires_at

    def refused(self, held: Held, act: Callable[[], object]) -> None:
        before = get_job(self.profiling, held.lease.job_id)
        with pytest.raises(LeaseLost):
            act()
        assert get_job(self.profiling, held.lease.job_id) == before

    def unchanged(self, held: Held, act: Callable[[], object]) -> None:
        before = get_job(self.profiling, held.lease.job_id)
        assert act() in (before, None)
        assert get_job(self.profiling, held.lease.job_id) == before

    @staticmethod
    def after_failure(job: Expected, retry: bool) -> JobState:
        if job.cancel_requested:
            return JobState.CANCELLED
        return JobState.PENDING if retry and job.counted < job.max_attempts else JobState.FAILED

    @staticmethod
    def end(job: Expected, held: Held, by: str, state: JobState) -> None:
        held.live, held.ended_by, job.state = False, by, state


TestJobStates = JobStates.TestCase
TestJobStates.settings = settings(max_examples=200, stateful_step_count=50, deadline=None)

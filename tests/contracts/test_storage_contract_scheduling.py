"""Every database keeps the queue in step with the jobs, and remembers what the scheduler has learned."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from msearch_scheduling.conduct import Conduct
from msearch_scheduling.fairness import Usage
from msearch_scheduling.ordering import overtaken_by
from msearch_scheduling.placement import Backlog
from msearch_scheduling.sizes import JobShape, SizeLaw
from msearch_scheduling.trust import Record, Trust
from msearch_scheduling.work import WaitingJob
from search_service.domain import jobs as transitions
from search_service.domain.jobs import Job, SizeEstimate
from search_service.domain.ports import Database
from search_service.domain.scheduling import Learned, Queued
from search_service.storage.sql import open_database
from tests.catalogue import NOW, later
from tests.profiling_objects import (
    LEASE,
    a_full_agent,
    a_full_spec,
    a_job,
    an_agent,
    put_agents,
    put_jobs,
    take,
)


def placed(id: str, agent_id: str, *, size: float = 10.0, tier: str = "", **fields: Any) -> Job:
    """A pending job that waits for that agent."""
    job = a_job(id, estimate=SizeEstimate(seconds=size), **fields)
    return transitions.place(job, agent_id=agent_id, tier=tier, reason="", now=NOW)


def queue_of(database: Database, *agent_ids: str) -> list[Queued]:
    with database.begin() as work:
        return sorted(
            (job for agent_id in agent_ids for job in work.queue.placed_on(agent_id)), key=lambda job: job.number
        )


def ids(queued: Sequence[Queued]) -> list[str]:
    return [job.job_id for job in queued]


def test_a_job_stands_in_the_queue_as_it_is(database: Database) -> None:
    full = placed("full", "a", size=12.5, spec=a_full_spec(), priority=3, submitted_by="ana", tier="gpu-h100")
    put_jobs(database, full)
    (queued,) = queue_of(database, "a")
    assert (queued.job_id, queued.agent_id, queued.priority, queued.user) == ("full", "a", 3, "ana")
    assert (queued.estimate_s, queued.tier, queued.exclusive, queued.overtaken_s) == (12.5, "gpu-h100", True, 0.0)
    assert queued.queued_s == NOW.timestamp()
    assert "host gpu-h100" in queued.needs
    with database.begin() as work:
        assert list(work.queue.needs().values()) == [queued.needs]


def test_the_queue_holds_the_pending_jobs_and_no_others(database: Database) -> None:
    put_agents(database, an_agent("a"))
    put_jobs(database, *(placed(name, "a", size=size) for name, size in [("j0", 1.0), ("j1", 2.0), ("j2", 3.0)]))
    held = take(database, an_agent("a"))
    assert held is not None
    assert held.id == "j0"
    assert ids(queue_of(database, "a")) == ["j1", "j2"]
    with database.begin() as work:
        work.jobs.replace(transitions.cancel(work.jobs.lock("j2"), now=NOW))
        work.commit()
    assert ids(queue_of(database, "a")) == ["j1"]
    with database.begin() as work:
        back = transitions.release(work.jobs.lock("j0"), held.lease, now=later(9))
        work.jobs.replace(back)
        work.commit()
    assert ids(queue_of(database, "", "a")) == ["j0", "j1"], "it waits again, for nobody yet"
    assert queue_of(database, "")[0].queued_s == later(9).timestamp()
    with database.begin() as work:
        assert [job.job_id for job in work.jobs.held()] == []
        work.jobs.replace(transitions.cancel(work.jobs.lock("j0"), now=NOW))
        work.jobs.replace(transitions.cancel(work.jobs.lock("j1"), now=NOW))
        assert dict(work.queue.needs()) == {}
        assert dict(work.queue.backlogs()) == {}


def test_what_is_held_is_known_with_its_size(database: Database) -> None:
    put_agents(database, an_agent("a"))
    put_jobs(database, placed("j", "a", size=7.0))
    assert take(database, an_agent("a"), at=3) is not None
    with database.begin() as work:
        (held,) = work.jobs.held()
    assert (held.job_id, held.agent_id, held.estimate_s, held.leased_at) == ("j", "a", 7.0, later(3))
    assert not held.exclusive, "the backend null measures nothing there"


def test_backlogs_add_up_what_waits(database: Database) -> None:
    put_jobs(database, placed("j0", "a", size=1.5), placed("j1", "a", size=2.0), placed("j2", "b"), a_job("j3"))
    with database.begin() as work:
        found = work.queue.backlogs()
    assert found["a"] == Backlog(2, 3.5)
    assert (found["b"].jobs, found[""].jobs) == (1, 1)


def test_what_is_first_is_first_by_priority_score_and_number(database: Database) -> None:
    put_jobs(
        database,
        placed("long", "a", size=50.0),
        placed("short", "b", size=5.0),
        placed("old", "", size=9.0, now=later(-1000)),
        placed("urgent", "c", size=90.0, priority=1),
        placed("bound", "c", size=1.0, tier="fast"),
        placed("other kind", "c", size=1.0, spec=a_full_spec()),
    )
    with database.begin() as work:
        needs = {next(iter(words))[:12]: number for number, words in work.queue.needs().items() if len(words) == 1}
        plain = needs["backend null"]
        ask: dict[str, Any] = {"speed": 1.0, "ageing": 0.0, "exclusive": True, "most": 9}
        assert ids(work.queue.first([plain], [], **ask)) == ["urgent", "short", "old", "long"]
        assert ids(work.queue.first([plain], ["fast"], **ask)) == ["urgent", "bound", "short", "old", "long"]
        assert ids(work.queue.first([plain], [], **(ask | {"ageing": 0.02}))) == ["urgent", "old", "short", "long"]
        assert ids(work.queue.first([plain], [], **(ask | {"most": 2}))) == ["urgent", "short"]
        every = list(work.queue.needs())
        assert ids(work.queue.first(every, ["gpu"], **ask)) == ["urgent", "other kind", "short", "old", "long"]
        assert "other kind" not in ids(work.queue.first(every, [], **(ask | {"exclusive": False})))
        assert list(work.queue.first([], [], **ask)) == []


def test_who_was_overtaken_is_who_the_policy_says(database: Database) -> None:
    put_agents(database, an_agent("a"))
    jobs = [
        placed("older", "a", size=50.0),
        placed("runs", "a", size=1.0, priority=0),
        placed("younger", "a", size=50.0),
        placed("higher", "a", size=50.0, priority=5, now=later(2)),
        placed("came while it ran", "a", size=50.0, priority=5, now=later(11)),
        placed("elsewhere", "b", size=50.0),
    ]
    put_jobs(database, *jobs)
    queued = queue_of(database, "a")
    with database.begin() as work:
        ran = work.jobs.lock("runs")
        leased = work.jobs.lease(ran, "a", "", later(10), LEASE)
        work.queue.overtake(leased, started_s=later(10).timestamp(), seconds=7.5)
        work.commit()
    policy = [
        WaitingJob(id=job.job_id, number=job.number, estimate_s=1.0, submitted_at=job.queued_s, priority=job.priority)
        for job in queued
    ]
    own = next(job for job in policy if job.id == "runs")
    expected = overtaken_by(own, policy, started_at=later(10).timestamp())
    assert expected == {"older", "higher"}
    found = {job.job_id: job.overtaken_s for job in queue_of(database, "a", "b")}
    assert found == {name: 7.5 * (name in expected) for name in found}
    with database.begin() as work:
        moved = replace(work.jobs.lock("older"), estimate=SizeEstimate(seconds=3.0))
        work.jobs.replace(moved)
        work.commit()
    older = queue_of(database, "a")[0]
    assert (older.overtaken_s, older.estimate_s) == (7.5, 3.0), "what overtook it stays"


def test_jobs_that_wait_for_nobody_who_takes_them_are_found(database: Database) -> None:
    put_jobs(database, *(placed(f"j{n}", agent_id) for n, agent_id in enumerate(["a", "", "gone", "b"])))
    with database.begin() as work:
        found = work.queue.stranded(["a", "b"], 0, 9)
        assert [job_id for _, job_id in found] == ["j1", "j2"]
        assert list(work.queue.stranded(["a", "b"], 0, 1)) == found[:1]
        assert list(work.queue.stranded(["a", "b"], found[0][0], 9)) == found[1:]
        assert [job_id for _, job_id in work.queue.stranded([], 0, 9)] == ["j0", "j1", "j2", "j3"]


def test_the_queue_is_gone_through_in_pieces(database: Database) -> None:
    put_jobs(database, *(a_job(f"j{n}") for n in range(5)))
    with database.begin() as work:
        first = work.queue.after(0, 3)
        rest = work.queue.after(first[-1][0], 3)
        assert [job_id for _, job_id in (*first, *rest)] == [f"j{n}" for n in range(5)]
        assert list(work.queue.after(rest[-1][0], 3)) == []


def test_the_tiers_of_an_experiment_are_those_of_its_jobs(database: Database) -> None:
    put_jobs(
        database,
        placed("j0", "", tier="slow", experiment_id="e"),
        placed("j1", "", experiment_id="e"),
        placed("j2", "", tier="fast", experiment_id="e"),
        placed("j3", "", tier="slow", experiment_id="e"),
        placed("j4", "", tier="other", experiment_id="f"),
    )
    with database.begin() as work:
        assert list(work.jobs.tiers_of("e")) == ["slow", "fast"]
        assert list(work.jobs.tiers_of("?")) == []


def test_only_pending_jobs_are_locked_as_pending(database: Database) -> None:
    put_agents(database, an_agent("a"))
    put_jobs(database, a_job("held"), a_job("waits"))
    assert take(database, an_agent("a")) is not None
    with database.begin() as work:
        assert work.jobs.lock_pending("held") is None
        assert work.jobs.lock_pending("?") is None
        assert work.jobs.lock_pending("waits") == work.jobs.get("waits")


def test_an_agent_is_free_up_to_its_capacity(database: Database) -> None:
    agent = an_agent("a", capacity=2)
    put_agents(database, agent, an_agent("draining", draining=True))
    put_jobs(database, *(a_job(f"j{n}") for n in range(3)))
    for free in (True, True, False):
        with database.begin() as work:
            for exclusive in (True, False):
                assert work.agents.is_free("a", exclusive=exclusive) is free
                assert work.agents.lock_free("a", exclusive=exclusive) is free
            assert not work.agents.is_free("draining", exclusive=False)
            assert not work.agents.lock_free("?", exclusive=False)
        take(database, agent)


def test_two_agents_never_measure_on_one_device(database: Database) -> None:
    agents = [
        a_full_agent(name, devices=devices, capacity=2)
        for name, devices in [("a", ("h/cpu0", "h/cpu1")), ("b", ("h/cpu1", "h/cuda:0")), ("c", ("h/cpu2",))]
    ]
    put_agents(database, *agents)
    put_jobs(database, *(a_job(f"j{n}", a_full_spec()) for n in range(4)))
    assert take(database, agents[0]) is not None
    with database.begin() as work:
        assert not work.agents.is_free("b", exclusive=True)
        assert not work.agents.lock_free("b", exclusive=True)
        assert work.agents.is_free("b", exclusive=False), "a job that measures nothing there may run beside it"
        assert work.agents.is_free("a", exclusive=True), "its own devices are its own"
    assert take(database, agents[1]) is None
    assert take(database, agents[2]) is not None
    with database.begin() as work:
        work.agents.replace(replace(work.agents.lock("b"), devices=("h/cpu3",)))
        work.commit()
    assert take(database, replace(agents[1], devices=("h/cpu3",))) is not None
    with database.begin() as work:
        assert work.agents.get("b").devices == ("h/cpu3",)


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_devices_are_exclusive_whoever_asks_at_once(engine: str, request: pytest.FixtureRequest) -> None:
    """Agents of one host race over two replicas; one of them measures at a time."""
    url = request.getfixturevalue("sqlite_url" if engine == "sqlite" else "postgres_url")
    replicas = [open_database(url), open_database(url)]
    agents = [a_full_agent(f"a{n}", devices=(f"h/cpu{n}", f"h/cpu{n + 1}")) for n in range(6)]
    put_agents(replicas[0], *agents)
    put_jobs(replicas[0], *(a_job(f"j{n}", a_full_spec()) for n in range(12)))
    with ThreadPoolExecutor(6) as pool:
        for _ in range(5):
            taken = list(pool.map(lambda n: take(replicas[n % 2], agents[n]), range(6)))
            holders = [n for n, job in enumerate(taken) if job is not None]
            assert holders
            assert all(second - first > 1 for first, second in pairwise(holders)), holders
            with replicas[0].begin() as work:
                for job in taken:
                    if job is not None:
                        work.jobs.replace(transitions.release(work.jobs.lock(job.id), job.lease, now=NOW))
                work.commit()
    for database in replicas:
        database.close()


def test_members_are_the_agents_with_what_is_known_of_them(database: Database) -> None:
    host = '{"peaks": [{"threads": 1, "gflop_per_s": 40.5}, {"threads": 2, "gflop_per_s": 80.0}]}'
    put_agents(database, an_agent("b"), a_full_agent("a", host_json=host, devices=("h/cpu0",), capacity=3))
    conduct = Conduct(failed_at=(1.5, 2.5), offences=2, quarantined_until=99.5)
    with database.begin() as work:
        plain, full = (next(one for one in work.agents.members() if one.id == name) for name in "ba")
        assert (plain.conduct, plain.pace.agent, plain.gflop_per_s) == (Conduct(), Record(), None)
        assert (full.gflop_per_s, full.capacity, full.devices) == (80.0, 3, frozenset({"h/cpu0"}))
        assert full.offers > {"label rack=7", "host gpu-h100"}
        work.scheduling.lock_learned()
        work.scheduling.put_conduct("a", conduct)
        work.scheduling.put_records({"agent a": Record(3, 0.5, 0.25), "host gpu-h100-80gb-0123": Record(9, 0.1, 0.2)})
        work.commit()
    with database.begin() as work:
        members = work.agents.members()
        assert [one.name for one in members] == ["a", "b"]
        assert members[0].conduct == conduct
        assert (members[0].pace.agent, members[0].pace.host_class) == (Record(3, 0.5, 0.25), Record(9, 0.1, 0.2))
        work.scheduling.lock_learned()
        work.scheduling.put_conduct("a", Conduct())
        assert work.agents.members()[0].conduct == Conduct()


def test_what_was_learned_is_kept(database: Database) -> None:
    shape = JobShape(variants={"null": 1}, runs=5, driven_s=10.0)
    learned = Learned(law=SizeLaw().after(shape, 12.5), trust=Trust(record=Record(11, -0.5, 0.3), trusted=True))
    with database.begin() as work:
        assert work.scheduling.learned() == Learned()
        assert work.scheduling.lock_learned() == Learned()
        work.scheduling.put_learned(learned)
        work.scheduling.put_records({"model m": Record(1, 0.5, 0.25)})
        work.scheduling.put_usage("ana", Usage(10.0, 5.0))
        work.commit()
    with database.begin() as work:
        assert work.scheduling.learned() == work.scheduling.lock_learned() == learned
        assert work.scheduling.records(["model m", "?"]) == {"model m": Record(1, 0.5, 0.25), "?": Record()}
        assert work.scheduling.usages(["ana", ""]) == {"ana": Usage(10.0, 5.0), "": Usage()}
        work.scheduling.put_usage("ana", Usage(1.0, 6.0))
        work.scheduling.put_records({"model m": Record(2, 0.5, 0.25)})
        assert work.scheduling.usages(["ana"])["ana"] == Usage(1.0, 6.0)
        assert work.scheduling.records(["model m"])["model m"].count == 2


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_no_lesson_is_lost_whoever_learns_at_once(engine: str, request: pytest.FixtureRequest) -> None:
    url = request.getfixturevalue("sqlite_url" if engine == "sqlite" else "postgres_url")
    replicas = [open_database(url), open_database(url)]

    def learn(worker: int) -> None:
        for _ in range(5):
            with replicas[worker % 2].begin() as work:
                learned = work.scheduling.lock_learned()
                law = learned.law.after(JobShape(runs=1), 2.0)
                work.scheduling.put_learned(replace(learned, law=law))
                work.commit()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(learn, range(4)))
    with replicas[0].begin() as work:
        assert work.scheduling.learned().law.count == 20
    for database in replicas:
        database.close()

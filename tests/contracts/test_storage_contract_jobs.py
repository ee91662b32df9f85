"""Every database keeps jobs, and gives each to one agent at a time."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from msearch_scheduling.sizes import JobShape
from search_service.domain import jobs as transitions
from search_service.domain.errors import NotFound, Reason
from search_service.domain.jobs import Decision, Failure, Job, JobFilter, JobState, Progress, SizeEstimate, Step
from search_service.domain.ports import Database
from search_service.storage.sql import open_database
from search_service.usecases.dispatching import take_job
from tests.catalogue import NOW, a_model, later, put_models
from tests.profiling_objects import (
    LEASE,
    a_full_agent,
    a_full_spec,
    a_job,
    a_spec,
    a_variant,
    an_agent,
    put_agents,
    put_jobs,
    scheduling_at,
    take,
)

AGENTS = 6


def test_jobs_come_back_as_they_were_added(database: Database) -> None:
    put_models(database, a_model("m"))
    plain = a_job("plain")
    full = replace(
        a_job(
            "full",
            a_full_spec(model_id="m"),
            model_name="digits@1",
            priority=5,
            experiment_id="exp größer",
            submitted_by="ana",
        ),
        state=JobState.FAILED,
        estimate=SizeEstimate(seconds=12.5, predicted=True),
        shape=JobShape(variants={"onnxruntime": 2}, known_setup_s=1.5, runs=10, driven_s=20.0),
        queued_at=later(4),
        placed_on="agent-7",
        tier="gpu-h100",
        decisions=(Decision(step=Step.PLACED, agent_id="agent-7", reason="größte Ruhe", at=later(4)),),
        attempt=2,
        agent_id="agent-1",
        fencing_token=2**40,
        progress=Progress(fraction=0.5, stage="measure", message="run 2 of 5: größer"),
        failure=Failure(code="crashed", message="signal 11"),
        profile_ids=("p1", "p2"),
        cancel_requested=True,
        leased_at=later(1),
        expires_at=later(2),
        ended_at=later(3),
        attempt_failures=(Failure(code="lease_expired", message="late"),),
        revision=9,
    )
    put_jobs(database, plain, full)
    with database.begin() as work:
        assert work.jobs.get("plain") == plain
        assert work.jobs.get("full") == full
        assert work.jobs.revision("full") == 9


def test_an_unknown_job_is_not_found(database: Database) -> None:
    with database.begin() as work:
        for act in (work.jobs.get, work.jobs.revision, work.jobs.lock, lambda key: work.jobs.replace(a_job(key))):
            with pytest.raises(NotFound) as caught:
                act("?")
            assert caught.value.reason is Reason.JOB_NOT_FOUND
            assert "?" in caught.value.message


def test_a_job_of_an_unknown_model_is_refused(database: Database) -> None:
    with database.begin() as work:
        with pytest.raises(NotFound) as caught:
            work.jobs.add(a_job(spec=a_spec(model_id="?")))
        assert caught.value.reason is Reason.MODEL_NOT_FOUND


def test_replacing_changes_all_but_the_spec(database: Database) -> None:
    put_jobs(database, a_job())
    with database.begin() as work:
        job = work.jobs.lock("job-1")
        changed = transitions.cancel(job, now=later(5))
        work.jobs.replace(replace(changed, spec=a_full_spec()))
        assert work.jobs.get("job-1") == changed
        work.commit()
    with database.begin() as work:
        assert work.jobs.get("job-1") == changed
        assert changed.revision == 2


def test_jobs_page_newest_first(database: Database) -> None:
    put_models(database, a_model("m"))
    put_jobs(database, *(a_job(f"j{n}", a_spec(model_id="m" if n % 2 else "")) for n in range(5)))
    with database.begin() as work:
        work.jobs.replace(transitions.cancel(work.jobs.lock("j1"), now=NOW))
        work.commit()
    with database.begin() as work:
        seen: list[str] = []
        after: tuple[str, ...] | None = None
        while True:
            page = work.jobs.page(JobFilter(), after, 2)
            assert page.total == 5
            seen += [job.id for job in page.items]
            after = page.after
            if after is None:
                break
        assert seen == ["j4", "j3", "j2", "j1", "j0"]
        assert [job.id for job in work.jobs.page(JobFilter(state=JobState.PENDING, model_id="m"), None, 9).items] == [
            "j3"
        ]
        assert [job.id for job in work.jobs.page(JobFilter(state=JobState.CANCELLED), None, 9).items] == ["j1"]
        assert work.jobs.page(JobFilter(state=JobState.LEASED), None, 9).total == 0
        assert [job.id for job in work.jobs.page(JobFilter(model_id="m"), None, 9).items] == ["j3", "j1"]


def test_the_jobs_of_an_experiment_are_found_together(database: Database) -> None:
    put_agents(database, an_agent("a"))
    put_jobs(database, a_job("other"), *(a_job(f"j{n}", experiment_id="e") for n in range(4)))
    with database.begin() as work:
        work.jobs.replace(transitions.cancel(work.jobs.lock("other"), now=NOW))
        work.jobs.replace(transitions.cancel(work.jobs.lock("j2"), now=NOW))
        work.commit()
    assert take(database, an_agent("a")) is not None
    with database.begin() as work:
        assert [job.id for job in work.jobs.page(JobFilter(experiment_id="e"), None, 9).items] == [
            "j3",
            "j2",
            "j1",
            "j0",
        ]
        pending = JobFilter(state=JobState.PENDING, experiment_id="e")
        assert [job.id for job in work.jobs.page(pending, None, 9).items] == ["j3", "j1"]
        assert [job.id for job in work.jobs.lock_unfinished_of("e")] == ["j0", "j1", "j3"]
        assert list(work.jobs.lock_unfinished_of("?")) == []


def test_the_first_fitting_job_is_taken(database: Database) -> None:
    put_agents(database, *(an_agent(f"a{n}") for n in range(4)))
    put_jobs(database, a_job("old"), a_job("unfit", a_full_spec()), a_job("new"), a_job("urgent", priority=1))
    taken = [take(database, an_agent(f"a{n}")) for n in range(4)]
    assert [job.id if job else None for job in taken] == ["urgent", "old", "new", None]


def test_a_taken_job_is_leased(database: Database) -> None:
    put_agents(database, an_agent("a"))
    put_jobs(database, a_job())
    job = take(database, an_agent("a"), at=7)
    assert job is not None
    expected = transitions.lease(a_job(), agent_id="a", fencing_token=job.fencing_token, now=later(7), duration=LEASE)
    assert replace(job, decisions=()) == replace(expected, decisions=())
    (decision,) = job.decisions
    assert (decision.step, decision.agent_id, decision.at) == (Step.LEASED, "a", later(7))
    assert "agent a is idle" in decision.reason
    assert job.fencing_token > 0
    with database.begin() as work:
        assert work.jobs.get("job-1") == job
        assert work.jobs.held_by(["a", "b"]) == {"a": ("job-1",)}
        assert list(work.jobs.expired(later(36.9), 10)) == []
        assert list(work.jobs.expired(later(37), 10)) == ["job-1"]


@pytest.mark.parametrize(
    "lacking",
    [
        {"host_class": "cpu-epyc"},
        {"host_class": "gpu-h10"},
        {"labels": {"zone": "größer=1"}},
        {"labels": {"zone": "b", "rack": "7"}},
        {"backends": a_full_agent().backends[:0]},
        {"backends": (replace(a_full_agent().backends[0], available=False),)},
        {"backends": (replace(a_full_agent().backends[0], precisions=("fp32",)),)},
        {"backends": (replace(a_full_agent().backends[0], devices=("cpu", "cuda:1")),)},
    ],
)
def test_an_agent_that_lacks_something_gets_nothing(database: Database, lacking: dict[str, object]) -> None:
    put_agents(database, a_full_agent("a", **lacking))
    put_jobs(database, a_job("full", a_full_spec()))
    assert take(database, a_full_agent("a", **lacking)) is None
    put_agents(database, a_full_agent("b"))
    assert take(database, a_full_agent("b")) is not None, "and one that lacks nothing gets it"


def test_a_backend_without_precisions_takes_any(database: Database) -> None:
    remote = replace(a_full_agent().backends[0], name="remote", precisions=())
    agent = an_agent("a", backends=(remote,))
    put_agents(database, agent)
    put_jobs(database, a_job(spec=a_spec(variants=(a_variant(backend="remote"),), remote_target="grpc://h:1/m")))
    assert take(database, agent) is not None


def test_an_agent_takes_no_more_than_its_capacity(database: Database) -> None:
    agent = an_agent("a", capacity=2)
    put_agents(database, agent)
    put_jobs(database, *(a_job(f"j{n}") for n in range(4)))
    taken = [take(database, agent) for _ in range(3)]
    assert [job.id if job else None for job in taken] == ["j0", "j1", None]
    with database.begin() as work:
        lease = work.jobs.lock("j0")
        work.jobs.replace(transitions.complete(lease, lease.lease, (), now=later(9)))
        work.commit()
    following = take(database, agent)
    assert following is not None
    assert following.id == "j2"
    with database.begin() as work:
        assert work.jobs.held_by(["a"]) == {"a": ("j1", "j2")}


def test_what_counts_of_the_agent_is_what_is_stored(database: Database) -> None:
    """Its registration may have changed since the caller read it."""
    put_agents(database, an_agent("draining", draining=True))
    put_jobs(database, a_job())
    assert take(database, an_agent("draining", draining=False)) is None
    assert take(database, an_agent("unknown")) is None


def test_fencing_tokens_grow_over_all_jobs(database: Database) -> None:
    put_agents(database, an_agent("a", capacity=50))
    put_jobs(database, *(a_job(f"j{n}", max_attempts=9) for n in range(3)))
    tokens: list[int] = []
    for round_ in range(3):
        for _ in range(3):
            job = take(database, an_agent("a"), at=100 * round_)
            assert job is not None
            tokens.append(job.fencing_token)
        with database.begin() as work:
            for job_id in work.jobs.expired(later(100 * round_ + 99), 10):
                work.jobs.replace(transitions.expire(work.jobs.lock(job_id), now=later(100 * round_ + 99)))
            work.commit()
    assert tokens == sorted(set(tokens))


def test_a_lease_that_is_not_committed_was_never_given(database: Database) -> None:
    put_agents(database, an_agent("a"))
    put_jobs(database, a_job())
    with database.begin() as work:
        assert take_job(scheduling_at(database), work, an_agent("a")) is not None
    with database.begin() as work:
        assert work.jobs.get("job-1") == a_job()
    assert take(database, an_agent("a")) is not None


def test_a_poll_that_finds_nothing_takes_no_lock(database: Database) -> None:
    """While someone else writes, and holds the agent, it answers at once."""
    put_agents(database, an_agent("a"), an_agent("full"))
    put_jobs(database, a_job("unfit", a_full_spec()), a_job("held"))
    assert take(database, an_agent("full")) is not None
    put_jobs(database, a_job("waits"))

    def poll(agent_id: str) -> Job | None:
        with database.begin() as work:
            backends = () if agent_id == "a" else an_agent().backends
            return take_job(scheduling_at(database), work, an_agent(agent_id, backends=backends))

    with ThreadPoolExecutor(2) as pool, database.begin() as writer:
        writer.agents.lock("a")
        writer.agents.lock("full")
        for answer in [pool.submit(poll, "a"), pool.submit(poll, "full")]:
            assert answer.result(timeout=5) is None


def test_a_locked_job_waits_for_nobody_on_postgresql(postgres_url: str) -> None:
    """SKIP LOCKED: whoever works on the first job keeps nobody from the second."""
    database = open_database(postgres_url)
    put_agents(database, an_agent("a"), an_agent("b"))
    put_jobs(database, a_job("first"), a_job("second"))
    with ThreadPoolExecutor(1) as pool, database.begin() as work:
        first = take_job(scheduling_at(database), work, an_agent("a"))
        assert first is not None
        second = pool.submit(take, database, an_agent("b")).result(timeout=5)
        assert second is not None
        assert (first.id, second.id) == ("first", "second")
    database.close()


def test_lock_unfinished_gives_what_a_deletion_must_look_at(database: Database) -> None:
    put_models(database, a_model("m"), a_model("n"))
    put_agents(database, an_agent("a"))
    spec = a_spec(model_id="m")
    put_jobs(database, a_job("held", spec), a_job("waits", spec), a_job("ended", spec), a_job("other"))
    assert take(database, an_agent("a")) is not None
    with database.begin() as work:
        work.jobs.replace(transitions.cancel(work.jobs.lock("ended"), now=NOW))
        work.commit()
    with database.begin() as work:
        assert [job.id for job in work.jobs.lock_unfinished("m")] == ["held", "waits"]
        assert list(work.jobs.lock_unfinished("n")) == []
        assert list(work.jobs.lock_unfinished("?")) == []


def test_a_model_is_never_deleted_under_a_new_job(database: Database) -> None:
    """Whichever of the two comes first, no pending job is left without its model."""
    for round_ in range(8):
        wanted = f"m{round_}"
        put_models(database, a_model(wanted))
        barrier = threading.Barrier(2)

        def delete(id: str = wanted, barrier: threading.Barrier = barrier) -> None:
            barrier.wait()
            with database.begin() as work:
                for job in work.jobs.lock_unfinished(id):
                    work.jobs.replace(transitions.cancel(job, now=NOW))
                work.models.delete(id)
                work.commit()

        def add(id: str = wanted, barrier: threading.Barrier = barrier) -> None:
            barrier.wait()
            with database.begin() as work:
                work.jobs.add(a_job(f"job of {id}", a_spec(model_id=id)))
                work.commit()

        with ThreadPoolExecutor(2) as pool:
            deleted, added = pool.submit(delete), pool.submit(add)
            assert deleted.exception() is None
            if added.exception() is not None:
                assert isinstance(added.exception(), NotFound)
                continue
        with database.begin() as work:
            assert work.jobs.get(f"job of {wanted}").state is JobState.CANCELLED


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_replicas_never_give_one_job_twice(engine: str, request: pytest.FixtureRequest) -> None:
    """Agents race over two databases objects, as two replicas; every job is leased once, no agent holds too many."""
    url = request.getfixturevalue("sqlite_url" if engine == "sqlite" else "postgres_url")
    replicas = [open_database(url), open_database(url)]
    put_agents(replicas[0], *(an_agent(f"a{n}", capacity=3) for n in range(AGENTS)))
    put_jobs(replicas[0], *(a_job(f"j{n:02}") for n in range(30)))
    barrier = threading.Barrier(AGENTS * 2)

    def poll(worker: int) -> list[Job]:
        agent, database = an_agent(f"a{worker % AGENTS}", capacity=3), replicas[worker % 2]
        barrier.wait()
        found = [take(database, agent) for _ in range(4)]
        return [job for job in found if job is not None]

    with ThreadPoolExecutor(AGENTS * 2) as pool:
        taken = [job for jobs in pool.map(poll, range(AGENTS * 2)) for job in jobs]
    assert len({job.id for job in taken}) == len(taken) == 3 * AGENTS, "each agent holds as many as it may"
    assert len({job.fencing_token for job in taken}) == len(taken)
    with replicas[1].begin() as work:
        held = work.jobs.held_by([f"a{n}" for n in range(AGENTS)])
        assert {agent_id: len(job_ids) for agent_id, job_ids in held.items()} == {f"a{n}": 3 for n in range(AGENTS)}
        assert work.jobs.page(JobFilter(state=JobState.PENDING), None, 50).total == 30 - 3 * AGENTS
    for database in replicas:
        database.close()

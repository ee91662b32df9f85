"""Jobs for people: what is refused before an agent sees it, and what following and cancelling give."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from search_service.domain.catalog import Artifact
from search_service.domain.errors import AlreadyExists, InvalidArgument, NotFound, PreconditionFailed, Reason
from search_service.domain.jobs import JobFilter, JobState
from search_service.domain.ports import Database
from search_service.domain.profiling import BackendStatus, Load, Precision, RunLimits, Scenario, Variant
from search_service.usecases.fields import Reference
from search_service.usecases.jobs import cancel_job, cancel_jobs, get_job, list_jobs, submit_job, wait_for_change
from search_service.usecases.leases import acquire_job
from tests.catalogue import a_model, put_models
from tests.profiling_at_work import AtWork, at_work
from tests.profiling_objects import a_full_agent, a_full_spec, a_load, a_spec, a_variant, an_agent, put_agents

__all__ = ["at_work"]


def test_a_submitted_job_is_stored_in_canonical_form(at_work: AtWork) -> None:
    put_models(at_work.database, a_model("m", name="digits", version="2"))
    spec = a_full_spec(
        variants=(Variant(backend="onnxruntime", batch_size=0, threads=0),),
        loads=(Load(scenario=Scenario.OFFLINE, streams=0, arrival=""),),
        remote_target="",
    )
    put_agents(at_work.database, a_full_agent())
    job = submit_job(at_work.profiling, "", spec, model=Reference(name="digits"))
    assert job == get_job(at_work.profiling, job.id)
    assert (job.state, job.spec.model_id, job.model_name, job.max_attempts) == (JobState.PENDING, "m", "digits@2", 3)
    assert job.spec.variants == (Variant(backend="onnxruntime"),)
    assert job.spec.loads == (Load(scenario=Scenario.OFFLINE),)
    assert list(job.spec.labels) == sorted(spec.labels)


def test_a_request_id_submits_once(at_work: AtWork) -> None:
    put_agents(at_work.database, an_agent())
    spec = a_spec(labels={"zone": "a"})
    first = submit_job(at_work.profiling, "r", spec)
    assert submit_job(at_work.profiling, "r", spec) == first
    with pytest.raises(AlreadyExists) as caught:
        submit_job(at_work.profiling, "r", a_spec())
    assert caught.value.reason is Reason.REQUEST_ID_REUSED
    assert list_jobs(at_work.profiling, JobFilter(), 0, "")[0].total == 1


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"variants": ()}, "spec.variants"),
        ({"loads": ()}, "spec.loads"),
        ({"variants": (a_variant(), a_variant())}, "spec.variants"),
        ({"loads": (Load(scenario=Scenario.OFFLINE), Load(scenario=Scenario.OFFLINE, streams=0))}, "spec.loads"),
        ({"variants": (Variant(backend=""),)}, "spec.variants[0].backend"),
        ({"variants": (Variant(backend="../x"),)}, "spec.variants[0].backend"),
        ({"variants": (a_variant(device="gpu 0"),)}, "spec.variants[0].device"),
        ({"variants": (a_variant(mode="A B"),)}, "spec.variants[0].mode"),
        ({"variants": (a_variant(batch_size=-1),)}, "spec.variants[0].batch_size"),
        ({"variants": (a_variant(threads=10**6),)}, "spec.variants[0].threads"),
        ({"loads": (a_load(rate_per_s=1e9),)}, "spec.loads[0].rate_per_s"),
        ({"loads": (a_load(arrival="now and then"),)}, "spec.loads[0].arrival"),
        ({"limits": RunLimits(precision=float("nan"))}, "spec.limits.precision"),
        ({"limits": RunLimits(repeats=-1)}, "spec.limits.repeats"),
        ({"limits": RunLimits(min_duration_s=5.0, max_duration_s=4.0)}, "spec.limits.max_duration"),
        ({"limits": RunLimits(max_duration_s=1e9)}, "spec.limits.max_duration"),
        ({"host_class": "two words"}, "spec.host_class"),
        ({"labels": {"": "x"}}, "spec.labels"),
        ({"labels": {"a=b": "x"}}, "spec.labels"),
        ({"remote_target": "grpc://127.0.0.1:1/m"}, "spec.remote_target"),
        ({"variants": (Variant(backend="remote"),)}, "spec.remote_target"),
        ({"variants": (Variant(backend="remote"),), "remote_target": "ftp://h:1/m"}, "spec.remote_target"),
        ({"variants": (Variant(backend="remote"),), "remote_target": "grpc://h/m"}, "spec.remote_target"),
        ({"variants": (Variant(backend="remote"),), "remote_target": "grpc://u:p@h:1/m"}, "spec.remote_target"),
        ({"variants": (Variant(backend="remote"),), "remote_target": "grpc://h:1/"}, "spec.remote_target"),
        ({"variants": (Variant(backend="remote"),), "remote_target": "grpc://h:99999/m"}, "spec.remote_target"),
        ({"deadline_s": -1.0}, "spec.deadline"),
        ({"memory_limit_bytes": 5}, "spec.memory_limit_bytes"),
        ({"variants": (a_variant(),)}, "model"),
    ],
)
def test_a_spec_that_cannot_be_is_refused(at_work: AtWork, fields: dict[str, Any], path: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        submit_job(at_work.profiling, "", a_spec(**fields), allow_waiting=True)
    assert [field for field, _ in caught.value.fields] == [path]
    assert list_jobs(at_work.profiling, JobFilter(), 0, "")[0].total == 0


def test_too_many_profiles_of_one_job_are_refused(at_work: AtWork) -> None:
    variants = tuple(Variant(backend="null", threads=n + 1) for n in range(100))
    loads = tuple(Load(scenario=Scenario.CONCURRENCY, streams=n + 1) for n in range(6))
    with pytest.raises(InvalidArgument, match="several jobs"):
        submit_job(at_work.profiling, "", a_spec(variants=variants, loads=loads), allow_waiting=True)


@pytest.mark.parametrize("attempts", [-1, 21])
def test_impossible_attempts_are_refused(at_work: AtWork, attempts: int) -> None:
    with pytest.raises(InvalidArgument, match="max_attempts"):
        submit_job(at_work.profiling, "", a_spec(), allow_waiting=True, max_attempts=attempts)


def test_the_model_must_be_there_and_have_an_artifact(at_work: AtWork) -> None:
    put_models(at_work.database, a_model("hosted", artifact=Artifact(format="none")), a_model("m"))
    spec = a_spec(variants=(a_variant(),))
    with pytest.raises(NotFound) as caught:
        submit_job(at_work.profiling, "", spec, model=Reference(name="?"), allow_waiting=True)
    assert caught.value.reason is Reason.MODEL_NOT_FOUND
    with pytest.raises(InvalidArgument, match=r"no artifact to compile.*backend remote"):
        submit_job(at_work.profiling, "", spec, model=Reference(id="hosted"), allow_waiting=True)
    with pytest.raises(InvalidArgument, match="model_id"):
        submit_job(at_work.profiling, "", replace(spec, model_id="hosted"), model=Reference(id="m"))
    remote = a_spec(variants=(Variant(backend="remote"),), remote_target="http://127.0.0.1:8080/m")
    assert submit_job(at_work.profiling, "", remote, model=Reference(id="hosted"), allow_waiting=True).model_name


@pytest.mark.parametrize(
    ("agents", "said"),
    [
        ((), "there is none now, and it needs backend onnxruntime/fp32, .* and 1 more"),
        (
            (an_agent("box", labels={"rack": "7"}),),
            r"none offers backend onnxruntime/fp32, .* box on host class cpu-epyc-.* with null \(fp32\), labels rack=7",
        ),
        (
            (
                an_agent(
                    "box",
                    backends=(BackendStatus(name="onnxruntime", available=False, detail="pip install onnxruntime"),),
                ),
            ),
            "onnxruntime on box: pip install onnxruntime.*with no backend",
        ),
        (
            (a_full_agent("one", labels={"zone": "größer=1"}), a_full_agent("two", labels={"rack": "7"})),
            "no single one offers all of",
        ),
    ],
)
def test_a_job_that_no_agent_can_take_is_refused_with_what_is_missing(
    at_work: AtWork, agents: tuple[Any, ...], said: str
) -> None:
    put_agents(at_work.database, *agents)
    put_models(at_work.database, a_model("m"))
    spec = a_full_spec(model_id="m", remote_target="")
    with pytest.raises(PreconditionFailed, match=f"(?s){said}") as caught:
        submit_job(at_work.profiling, "", spec)
    assert caught.value.reason is Reason.NO_CAPABLE_AGENT
    assert submit_job(at_work.profiling, "", spec, allow_waiting=True).state is JobState.PENDING


def test_an_agent_that_is_gone_is_named_but_does_not_count(at_work: AtWork) -> None:
    put_agents(at_work.database, an_agent("box", last_seen_at=at_work.now))
    assert submit_job(at_work.profiling, "", a_spec())
    at_work.pass_time(61)
    with pytest.raises(PreconditionFailed, match="box could, but was not heard of"):
        submit_job(at_work.profiling, "", a_spec())


def test_jobs_are_listed_by_state_and_page(at_work: AtWork) -> None:
    jobs = [submit_job(at_work.profiling, "", a_spec(), allow_waiting=True) for _ in range(3)]
    cancelled = cancel_job(at_work.profiling, jobs[1].id)
    page, token = list_jobs(at_work.profiling, JobFilter(), 2, "")
    assert page.items == (jobs[2], cancelled)
    rest, last = list_jobs(at_work.profiling, JobFilter(), 2, token)
    assert (rest.items, last) == ((jobs[0],), "")
    assert list_jobs(at_work.profiling, JobFilter(state=JobState.CANCELLED), 0, "")[0].items == (cancelled,)
    for wrong in (token[:-1], "AAAA"):
        with pytest.raises(InvalidArgument) as caught:
            list_jobs(at_work.profiling, JobFilter(), 2, wrong)
        assert caught.value.reason is Reason.INVALID_PAGE_TOKEN
    with pytest.raises(InvalidArgument):
        list_jobs(at_work.profiling, JobFilter(state=JobState.PENDING), 2, token)


def test_waiting_ends_with_a_change_with_the_time_or_with_the_service(at_work: AtWork) -> None:
    job = submit_job(at_work.profiling, "", a_spec(), allow_waiting=True)
    assert wait_for_change(at_work.profiling, job.id, job.revision - 1, 5.0) == job
    assert at_work.waited_s == 0
    assert wait_for_change(at_work.profiling, job.id, job.revision, 5.0) == job
    assert at_work.waited_s == pytest.approx(5.0)
    at_work.while_waiting = lambda: cancel_job(at_work.profiling, job.id)
    assert wait_for_change(at_work.profiling, job.id, job.revision, 5.0).state is JobState.CANCELLED
    assert at_work.waited_s < 5.5
    at_work.stopping = True
    at_work.while_waiting = None
    ended = get_job(at_work.profiling, job.id)
    assert wait_for_change(at_work.profiling, job.id, ended.revision, 1000.0) == ended
    assert at_work.waited_s < 6
    with pytest.raises(NotFound):
        wait_for_change(at_work.profiling, "?", 1, 1.0)


@pytest.mark.parametrize("precision", list(Precision))
def test_every_precision_can_be_asked_for(at_work: AtWork, precision: Precision) -> None:
    put_agents(at_work.database, an_agent(backends=(BackendStatus(name="null", available=True),)))
    job = submit_job(at_work.profiling, "", a_spec(variants=(Variant(backend="null", precision=precision),)))
    assert get_job(at_work.profiling, job.id).spec.variants[0].precision is precision


def test_the_database_is_one_of_all_kinds(database: Database) -> None:
    """The same on each engine: one job through submission, idempotency and cancellation."""
    work = AtWork(database)
    put_agents(database, an_agent(last_seen_at=work.now))
    job = submit_job(work.profiling, "r", a_spec())
    assert submit_job(work.profiling, "r", a_spec()) == job
    assert cancel_job(work.profiling, job.id).state is JobState.CANCELLED
    assert cancel_job(work.profiling, job.id).revision == 2
    assert submit_job(work.profiling, "r", a_spec()).state is JobState.CANCELLED


def test_a_job_says_whose_it_is_and_how_large(at_work: AtWork) -> None:
    job = submit_job(
        at_work.profiling, "", a_spec(), allow_waiting=True, priority=-7, experiment_id="e", submitted_by="ana"
    )
    assert job == get_job(at_work.profiling, job.id)
    assert (job.priority, job.experiment_id, job.submitted_by) == (-7, "e", "ana")
    assert job.estimate.seconds > 5 * 2, "five runs of two seconds"
    assert not job.estimate.predicted
    short = submit_job(
        at_work.profiling,
        "",
        a_spec(limits=RunLimits(min_duration_s=0.1, min_queries=1, repeats=1)),
        allow_waiting=True,
    )
    assert short.estimate.seconds < job.estimate.seconds


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"priority": 101}, "priority"),
        ({"priority": -101}, "priority"),
        ({"experiment_id": "x" * 201}, "experiment_id"),
    ],
)
def test_what_scheduling_goes_by_is_checked(at_work: AtWork, fields: dict[str, Any], path: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        submit_job(at_work.profiling, "", a_spec(), allow_waiting=True, **fields)
    assert [name for name, _ in caught.value.fields] == [path]
    assert list_jobs(at_work.profiling, JobFilter(), 0, "")[0].total == 0


def test_an_experiment_is_cancelled_as_a_whole(at_work: AtWork) -> None:
    put_agents(at_work.database, an_agent())
    jobs = [submit_job(at_work.profiling, "", a_spec(), experiment_id=name) for name in ("e", "e", "e", "other")]
    acquire_job(at_work.profiling, None, "agent-1")
    assert list_jobs(at_work.profiling, JobFilter(experiment_id="e"), 0, "")[0].total == 3
    assert cancel_jobs(at_work.profiling, "e") == (2, 1)
    assert cancel_jobs(at_work.profiling, "e") == (0, 1), "the agent is asked already"
    assert cancel_jobs(at_work.profiling, "none") == (0, 0)
    states = [get_job(at_work.profiling, job.id).state for job in jobs]
    assert states == [JobState.LEASED, JobState.CANCELLED, JobState.CANCELLED, JobState.PENDING]
    with pytest.raises(InvalidArgument, match="experiment_id"):
        cancel_jobs(at_work.profiling, "")

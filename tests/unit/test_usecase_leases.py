"""Agents at work: what they are given, what only they may do, and what a report must look like."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import pytest

from search_service.domain.access import Caller, Role
from search_service.domain.catalog import Artifact, DatasetSample
from search_service.domain.errors import DomainError, InvalidArgument, LeaseLost, NotFound, PermissionDenied, Reason
from search_service.domain.jobs import Failure, JobState, Progress
from search_service.domain.profiling import AgentState, InvalidReason, Measurement, ProfileFilter
from search_service.usecases.agents import AgentReport, drain_agent, get_agent, list_agents, register_agent
from search_service.usecases.fields import Reference
from search_service.usecases.jobs import cancel_job, get_job, submit_job
from search_service.usecases.lease_keeping import expire_leases
from search_service.usecases.leases import (
    Acquired,
    Part,
    acquire_job,
    complete_job,
    fail_job,
    fetch_for_job,
    release_job,
    renew_lease,
    report_progress,
)
from search_service.usecases.profiles import get_profile, list_profiles
from tests.catalogue import a_model, put_dataset, put_models
from tests.profiling_at_work import AtWork, at_work
from tests.profiling_objects import a_load, a_profile, a_spec, a_token, a_variant, an_agent

__all__ = ["at_work"]

REPORT = AgentReport(name="box", host_class="cpu-epyc", backends=an_agent().backends, labels={})
ONE = Caller(token_id="token-1", name="one", role=Role.AGENT)
OTHER = Caller(token_id="token-2", name="other", role=Role.AGENT)
ADMIN = Caller(token_id="token-3", name="admin", role=Role.ADMIN)


def leased(at_work: AtWork, caller: Caller | None = None, **fields: Any) -> Acquired:
    """A job of the agent "box", registered by that caller."""
    agent = register_agent(at_work.profiling, caller, REPORT).agent
    submit_job(at_work.profiling, "", a_spec(**fields), allow_waiting=True)
    got = acquire_job(at_work.profiling, caller, agent.id)
    assert got.job is not None
    return got


def with_model(at_work: AtWork, *, sample: bool = True, artifact: Artifact | None = None) -> str:
    """A model with stored bytes whose dataset has a sample with stored bytes."""
    put = {}
    for name in ("model", "sample"):
        data = f"the bytes of the {name}".encode()
        digest = hashlib.sha256(data).hexdigest()
        upload = at_work.profiling.blobs.upload(digest, len(data))
        upload.write(data)
        upload.finish()
        put[name] = (digest, len(data))
    digest, size = put["sample"]
    rows = DatasetSample(digest=digest, size_bytes=size, row_count=3) if sample else None
    put_dataset(at_work.database, "d", sample=rows)
    digest, size = put["model"]
    stored = artifact or Artifact(format="onnx", digest=digest, size_bytes=size)
    put_models(at_work.database, a_model("m", dataset_id="d", artifact=stored))
    return "m"


def test_an_acquired_job_comes_with_all_it_needs(at_work: AtWork) -> None:
    model_id = with_model(at_work)
    got = leased(at_work, model_id=model_id)
    assert got.lease is not None
    assert got.job is not None
    assert (got.job.state, got.job.attempt, got.lease.duration_s) == (JobState.LEASED, 1, 30.0)
    assert got.lease.expires_at == got.job.expires_at
    with at_work.database.begin() as unit:
        assert got.model == unit.models.get(model_id)
        assert got.sample == unit.datasets.get("d").sample
    for part, name in ((Part.MODEL, "model"), (Part.SAMPLE, "sample")):
        fetched = fetch_for_job(at_work.profiling, None, got.lease, part)
        data = b"".join(fetched.chunks)
        assert data == f"the bytes of the {name}".encode()
        assert (hashlib.sha256(data).hexdigest(), len(data)) == (fetched.digest, fetched.size_bytes)


def test_what_a_job_lacks_cannot_be_fetched(at_work: AtWork) -> None:
    model_id = with_model(at_work, sample=False, artifact=Artifact(format="onnx", uri="https://example.org/m.onnx"))
    for fields in ({"model_id": model_id}, {}):
        got = leased(at_work, **fields)
        assert got.lease is not None
        assert got.sample is None
        for part, reason in ((Part.MODEL, Reason.ARTIFACT_NOT_FOUND), (Part.SAMPLE, Reason.SAMPLE_NOT_FOUND)):
            with pytest.raises(NotFound) as caught:
                fetch_for_job(at_work.profiling, None, got.lease, part)
            assert caught.value.reason is reason
        release_job(at_work.profiling, None, got.lease)
        with pytest.raises(LeaseLost):
            fetch_for_job(at_work.profiling, None, got.lease, Part.MODEL)
        fail_job(at_work.profiling, None, acquired_again(at_work), Failure(code="x", message=""), retry=False)


def acquired_again(at_work: AtWork) -> Any:
    return acquire_job(at_work.profiling, None, get_agent(at_work.profiling, "box").agent.id).lease


def test_acquiring_waits_for_a_job(at_work: AtWork) -> None:
    agent = register_agent(at_work.profiling, None, REPORT).agent
    assert acquire_job(at_work.profiling, None, agent.id, 3.0) == Acquired()
    assert at_work.waited_s == pytest.approx(3.0)
    at_work.while_waiting = lambda: submit_job(at_work.profiling, "", a_spec())
    assert acquire_job(at_work.profiling, None, agent.id, 3.0).job is not None
    assert at_work.waited_s == pytest.approx(3.5)
    with pytest.raises(InvalidArgument, match="from 0 to 30 s"):
        acquire_job(at_work.profiling, None, agent.id, 31.0)
    with pytest.raises(NotFound) as caught:
        acquire_job(at_work.profiling, None, "?")
    assert caught.value.reason is Reason.AGENT_NOT_FOUND


def test_a_draining_agent_gets_nothing_and_is_told(at_work: AtWork) -> None:
    agent = register_agent(at_work.profiling, None, REPORT).agent
    submit_job(at_work.profiling, "", a_spec())
    assert drain_agent(at_work.profiling, "box").state is AgentState.DRAINING
    assert drain_agent(at_work.profiling, agent.id).state is AgentState.DRAINING
    assert acquire_job(at_work.profiling, None, agent.id, 30.0) == Acquired(drain=True)
    assert at_work.waited_s == 0, "there is nothing to wait for"
    assert register_agent(at_work.profiling, None, REPORT).state is AgentState.DRAINING, "a restart changes nothing"
    assert drain_agent(at_work.profiling, "box", undo=True).state is AgentState.ACTIVE
    assert acquire_job(at_work.profiling, None, agent.id).job is not None


def test_a_name_keeps_its_id_and_its_jobs(at_work: AtWork) -> None:
    got = leased(at_work)
    assert got.job is not None
    again = register_agent(at_work.profiling, None, replace(REPORT, labels={"b": "1", "a": "2"}, capacity=0))
    assert (again.agent.id, again.job_ids) == (got.job.agent_id, (got.job.id,))
    assert (list(again.agent.labels), again.agent.capacity) == (["a", "b"], 1)
    assert list_agents(at_work.profiling) == [again]
    assert get_agent(at_work.profiling, again.agent.id) == again
    with pytest.raises(NotFound):
        get_agent(at_work.profiling, "?")


def test_an_agent_that_works_is_not_gone(at_work: AtWork) -> None:
    got = leased(at_work)
    assert got.lease is not None
    for _ in range(8):
        at_work.pass_time(15)
        renew_lease(at_work.profiling, None, got.lease)
        assert get_agent(at_work.profiling, "box").state is AgentState.ACTIVE
    at_work.pass_time(61)
    assert get_agent(at_work.profiling, "box").state is AgentState.GONE
    acquire_job(at_work.profiling, None, get_agent(at_work.profiling, "box").agent.id)
    assert get_agent(at_work.profiling, "box").state is AgentState.ACTIVE


def test_hearing_of_an_agent_is_written_down_only_now_and_then(at_work: AtWork) -> None:
    agent = register_agent(at_work.profiling, None, REPORT).agent
    for seconds, noted in ((9, 0), (1, 10), (5, 10), (5, 20)):
        at_work.pass_time(seconds)
        acquire_job(at_work.profiling, None, agent.id)
        seen = get_agent(at_work.profiling, agent.id).agent.last_seen_at
        assert (seen - agent.last_seen_at).total_seconds() == noted


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"name": ""}, "agent.name"),
        ({"name": "a@b"}, "agent.name"),
        ({"host_class": ""}, "agent.host_class"),
        ({"host_class": "a b"}, "agent.host_class"),
        ({"host_json": "[]"}, "agent.host_json"),
        ({"host_json": "{"}, "agent.host_json"),
        ({"capacity": 65}, "agent.capacity"),
        ({"labels": {"a=": "1"}}, "agent.labels"),
        ({"backends": REPORT.backends * 2}, "agent.backends"),
        ({"backends": (replace(REPORT.backends[0], name=""),)}, "agent.backends[0].name"),
        ({"version": "v" * 201}, "agent.version"),
    ],
)
def test_a_report_of_an_agent_that_cannot_be_is_refused(at_work: AtWork, fields: dict[str, Any], path: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        register_agent(at_work.profiling, None, replace(REPORT, **fields))
    assert [field for field, _ in caught.value.fields] == [path]


def test_a_cancelled_job_is_told_with_the_next_renewal(at_work: AtWork) -> None:
    got = leased(at_work)
    assert got.lease is not None
    assert renew_lease(at_work.profiling, None, got.lease)[1] is False
    assert cancel_job(at_work.profiling, got.lease.job_id).cancel_requested
    lease, cancel = renew_lease(at_work.profiling, None, got.lease)
    assert cancel
    job = fail_job(at_work.profiling, None, lease, Failure(code="cancelled", message="asked to"), retry=False)
    assert (job.state, job.failure, job.attempt_failures) == (JobState.CANCELLED, None, ())


def test_completing_stores_the_profiles_once(at_work: AtWork) -> None:
    model_id = with_model(at_work)
    got = leased(at_work, model_id=model_id)
    assert got.lease is not None
    reported = a_profile("", job_id="made up", model_id="", load_text="made up", host_class="", host_json="")
    job = complete_job(at_work.profiling, None, got.lease, [reported, replace(reported, load=a_load(rate_per_s=7.0))])
    assert job.state is JobState.SUCCEEDED
    assert complete_job(at_work.profiling, None, got.lease, [reported]) == job
    first, second = (get_profile(at_work.profiling, profile_id) for profile_id in job.profile_ids)
    agent = get_agent(at_work.profiling, "box").agent
    expected = replace(
        reported,
        id=first.id,
        job_id=job.id,
        attempt=1,
        model_id=model_id,
        model_name="m@1",
        agent_id=agent.id,
        load_text="server:100.5,gamma,cv=2,batch=8,wait_ms=2,limit_ms=20",
        host_class="cpu-epyc",
        host_json=agent.host_json,
        created_at=at_work.now,
    )
    assert first == expected
    assert second.load_text.startswith("server:7,gamma")
    page, token = list_profiles(at_work.profiling, Reference(id=model_id), ProfileFilter(), 1, "")
    assert [profile.id for profile in page.items] == [second.id]
    rest, _ = list_profiles(at_work.profiling, Reference(id=model_id), ProfileFilter(), 1, token)
    assert rest.items == (replace(first, runs=(), histogram=""),)
    with pytest.raises(NotFound):
        list_profiles(at_work.profiling, Reference(name="?"), ProfileFilter(), 1, "")


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"variant": a_variant(backend="No")}, "profiles[0].variant.backend"),
        ({"load": a_load(rate_per_s=-1.0)}, "profiles[0].load.rate_per_s"),
        ({"host_class": "no way"}, "profiles[0].host_class"),
        ({"host_json": "no"}, "profiles[0].host_json"),
        ({"histogram": "x" * (1 << 21)}, "profiles[0].histogram"),
        ({"measurements": (Measurement(name="P99", value=1.0, unit="ms"),)}, "profiles[0].measurements"),
        ({"measurements": (Measurement(name="p99_ms", value=float("nan"), unit="ms"),)}, "profiles[0].measurements"),
        ({"measurements": (Measurement(name="p99_ms", value=1.0, unit="ms"),) * 2}, "profiles[0].measurements"),
        ({"reasons": (InvalidReason("no rule", ""),)}, "profiles[0].reasons"),
        ({"runs": a_profile().runs * 201}, "profiles[0].runs"),
    ],
)
def test_a_profile_that_cannot_be_is_refused_and_the_job_goes_on(
    at_work: AtWork, fields: dict[str, Any], path: str
) -> None:
    got = leased(at_work)
    assert got.lease is not None
    with pytest.raises(InvalidArgument) as caught:
        complete_job(at_work.profiling, None, got.lease, [a_profile("", **fields)])
    assert [field for field, _ in caught.value.fields] == [path]
    assert get_job(at_work.profiling, got.lease.job_id).state is JobState.LEASED
    assert complete_job(at_work.profiling, None, got.lease, [a_profile("")]).state is JobState.SUCCEEDED


@pytest.mark.parametrize("count", [0, 1001])
def test_a_report_has_a_bounded_number_of_profiles(at_work: AtWork, count: int) -> None:
    got = leased(at_work)
    assert got.lease is not None
    with pytest.raises(InvalidArgument, match="1 to 1000"):
        complete_job(at_work.profiling, None, got.lease, [a_profile("")] * count)


@pytest.mark.parametrize("fraction", [-0.1, 1.1, float("nan")])
def test_progress_is_a_share(at_work: AtWork, fraction: float) -> None:
    got = leased(at_work)
    assert got.lease is not None
    with pytest.raises(InvalidArgument, match="fraction"):
        report_progress(at_work.profiling, None, got.lease, Progress(fraction=fraction, stage="measure"))


def test_the_same_progress_is_no_change(at_work: AtWork) -> None:
    got = leased(at_work)
    assert got.lease is not None
    revisions = []
    for stage in ("fetch", "fetch", "measure"):
        report_progress(at_work.profiling, None, got.lease, Progress(fraction=0.5, stage=stage))
        revisions.append(get_job(at_work.profiling, got.lease.job_id).revision)
    assert revisions == [3, 3, 4]


def test_a_lost_lease_is_refused_whatever_it_reports(at_work: AtWork) -> None:
    got = leased(at_work)
    assert got.lease is not None
    lease = got.lease
    at_work.pass_time(30)
    assert renew_lease(at_work.profiling, None, lease)[0], "nobody has taken it back yet"
    at_work.pass_time(31)
    assert expire_leases(at_work.profiling, at_work.now) == 1
    before = get_job(at_work.profiling, lease.job_id)
    assert (before.state, before.attempt_failures[0].code) == (JobState.PENDING, "lease_expired")
    calls = [
        lambda: renew_lease(at_work.profiling, None, lease),
        lambda: report_progress(at_work.profiling, None, lease, Progress(fraction=1.0, stage="report")),
        lambda: complete_job(at_work.profiling, None, lease, [a_profile("")]),
        lambda: fail_job(at_work.profiling, None, lease, Failure(code="crashed", message=""), retry=True),
        lambda: release_job(at_work.profiling, None, lease),
        lambda: fetch_for_job(at_work.profiling, None, lease, Part.MODEL),
    ]
    for call in calls:
        with pytest.raises(LeaseLost):
            call()
    assert get_job(at_work.profiling, lease.job_id) == before
    assert list_profiles(at_work.profiling, None, ProfileFilter(include_invalid=True), 9, "")[0].total == 0


def test_attempts_end_with_the_last(at_work: AtWork) -> None:
    got = leased(at_work)
    for attempt in range(1, 4):
        assert got.job is not None
        assert got.job.attempt == attempt
        at_work.pass_time(31)
        assert expire_leases(at_work.profiling, at_work.now) == 1
        got = acquire_job(at_work.profiling, None, got.job.agent_id)
    assert got.job is None
    job = get_job(at_work.profiling, "job_2")
    assert job.state is JobState.FAILED
    assert job.failure == job.attempt_failures[-1]
    assert [failure.code for failure in job.attempt_failures] == ["lease_expired"] * 3


def test_a_token_speaks_for_its_own_agents_only(at_work: AtWork) -> None:
    with at_work.database.begin() as unit:
        unit.tokens.add(a_token("token-1"))
        unit.commit()
    got = leased(at_work, ONE)
    assert got.lease is not None
    lease = got.lease
    agent_id = get_agent(at_work.profiling, "box").agent.id
    calls = [
        lambda caller: acquire_job(at_work.profiling, caller, agent_id),
        lambda caller: register_agent(at_work.profiling, caller, REPORT),
        lambda caller: renew_lease(at_work.profiling, caller, lease),
        lambda caller: report_progress(at_work.profiling, caller, lease, Progress(fraction=1.0, stage="x")),
        lambda caller: complete_job(at_work.profiling, caller, lease, [a_profile("")]),
        lambda caller: fail_job(at_work.profiling, caller, lease, Failure(code="x", message=""), retry=True),
        lambda caller: release_job(at_work.profiling, caller, lease),
        lambda caller: fetch_for_job(at_work.profiling, caller, lease, Part.MODEL),
    ]
    before = get_job(at_work.profiling, lease.job_id)
    for call in calls:
        with pytest.raises(PermissionDenied):
            call(OTHER)
    assert get_job(at_work.profiling, lease.job_id) == before
    renew_lease(at_work.profiling, ADMIN, lease)
    made_up = replace(lease, fencing_token=lease.fencing_token + 1)
    with pytest.raises(LeaseLost):
        renew_lease(at_work.profiling, OTHER, made_up)
    assert complete_job(at_work.profiling, ONE, lease, [a_profile("")]).state is JobState.SUCCEEDED
    with pytest.raises(PermissionDenied):
        complete_job(at_work.profiling, OTHER, lease, [a_profile("")])


def test_a_name_is_free_again_once_its_token_is_revoked(at_work: AtWork) -> None:
    with at_work.database.begin() as unit:
        unit.tokens.add(a_token("token-1"))
        unit.commit()
    first = register_agent(at_work.profiling, ONE, REPORT).agent
    with at_work.database.begin() as unit:
        unit.tokens.revoke("token-1", at_work.now)
        unit.commit()
    second = register_agent(at_work.profiling, OTHER, REPORT).agent
    assert (second.id, second.token_id) == (first.id, "token-2")


def test_failures_say_why_in_bounded_words(at_work: AtWork) -> None:
    got = leased(at_work)
    assert got.lease is not None
    with pytest.raises(InvalidArgument, match="code"):
        fail_job(at_work.profiling, None, got.lease, Failure(code="", message="x"), retry=False)
    failure = Failure(code="compile_failed", message="y" * 10**6)
    job = fail_job(at_work.profiling, None, got.lease, failure, retry=False)
    assert job.state is JobState.FAILED
    assert job.failure is not None
    assert len(job.failure.message) == 20_000


def test_unknown_jobs_are_not_found(at_work: AtWork) -> None:
    got = leased(at_work)
    assert got.lease is not None
    unknown = replace(got.lease, job_id="?")
    for call in (
        lambda: renew_lease(at_work.profiling, None, unknown),
        lambda: release_job(at_work.profiling, None, unknown),
        lambda: fetch_for_job(at_work.profiling, None, unknown, Part.MODEL),
    ):
        with pytest.raises(DomainError) as caught:
            call()
        assert caught.value.reason is Reason.JOB_NOT_FOUND

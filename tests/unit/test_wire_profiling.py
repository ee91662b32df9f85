"""The service's wire of profiling, agents and tokens: every field arrives where it belongs, both ways."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given, settings
from hypothesis import strategies as st

from msearch.v1 import access_service_pb2 as apb
from msearch.v1 import agent_service_pb2 as gpb
from msearch.v1 import profiles_pb2 as ppb
from msearch.v1 import registry_service_pb2 as rpb
from msearch.v1 import search_service_pb2 as spb
from msearch.v1 import types_pb2
from search_service.api.wire import access, agents, enums, jobs, profiles, registry, search, times
from search_service.domain import access as access_words
from search_service.domain import jobs as job_words
from search_service.domain import profiling as words
from search_service.domain.catalog import DatasetSample, Model
from search_service.domain.errors import InvalidArgument
from search_service.domain.evaluation import EvaluateSpec
from search_service.usecases.agents import SeenAgent
from search_service.usecases.fields import Reference
from search_service.usecases.leases import Acquired, Part
from search_service.usecases.measured import Constraint, ProfileOptions
from search_service.usecases.search_results import Candidate, Ranking
from tests.unit.test_wire_service import COUNT, MODEL, SAMPLE, TENSOR, TIME, VALUE, WORD, WORDS, unset

FEW = settings(max_examples=20)  # the values are wide: each example fills every field

NUMBER = st.floats(-1e9, 1e9).filter(bool)
SECONDS = st.integers(1, 10**15).map(lambda nanoseconds: nanoseconds / 1e9)
LABELS = st.dictionaries(WORD, WORD, min_size=1, max_size=3)
PRECISION = st.sampled_from(words.Precision)
VARIANT = st.builds(
    words.Variant, backend=WORD, precision=PRECISION, batch_size=COUNT, threads=COUNT, mode=WORD, device=WORD
)
NETWORK = st.builds(words.Network, round_trip_ms=VALUE, up_mbit_per_s=VALUE, down_mbit_per_s=VALUE)
BATCHING = st.builds(words.Batching, max_batch=st.integers(2, 2**31 - 1), max_wait_ns=st.integers(1, 10**18))
LOAD = st.builds(
    words.Load, scenario=st.sampled_from(words.Scenario), rate_per_s=VALUE, streams=COUNT, arrival=WORD,
    parameters=st.dictionaries(WORD, NUMBER, min_size=1, max_size=3), trace_s=st.lists(VALUE, min_size=1).map(tuple),
    batching=BATCHING, network=NETWORK, p99_limit_ms=VALUE, pipeline=st.just(True),
)  # fmt: skip
LIMITS = st.builds(
    words.RunLimits, min_duration_s=SECONDS, min_queries=COUNT, max_duration_s=SECONDS, repeats=COUNT,
    precision=VALUE, seed=st.integers(1, 2**64 - 1), epsilon=VALUE,
)  # fmt: skip
EVALUATE = st.builds(
    EvaluateSpec, sample_id=WORD, sample_digest=WORD, row_count=COUNT, format=WORD, with_noise=st.just(True)
)
SPEC = st.builds(
    words.JobSpec, model_id=WORD, variants=st.lists(VARIANT, min_size=1, max_size=2).map(tuple),
    loads=st.lists(LOAD, min_size=1, max_size=2).map(tuple), limits=LIMITS, host_class=WORD, labels=LABELS,
    remote_target=WORD, deadline_s=SECONDS, memory_limit_bytes=COUNT, evaluate=EVALUATE,
)  # fmt: skip
FAILURE = st.builds(job_words.Failure, code=WORD, message=WORD)
PROGRESS = st.builds(job_words.Progress, fraction=VALUE, stage=WORD, message=WORD)
JOB = st.builds(
    job_words.Job, id=WORD, spec=SPEC, state=st.sampled_from(job_words.JobState), max_attempts=COUNT, created_at=TIME,
    model_name=WORD, attempt=COUNT, agent_id=WORD, fencing_token=COUNT, progress=PROGRESS, failure=FAILURE,
    profile_ids=WORDS, cancel_requested=st.just(True), leased_at=TIME, expires_at=TIME, ended_at=TIME,
    attempt_failures=st.tuples(FAILURE, FAILURE), priority=st.integers(1, 100), experiment_id=WORD, submitted_by=WORD,
    estimate=st.builds(job_words.SizeEstimate, seconds=SECONDS, predicted=st.just(True)),
)  # fmt: skip
LEASE = st.builds(job_words.Lease, job_id=WORD, attempt=COUNT, fencing_token=COUNT, expires_at=TIME, duration_s=SECONDS)
MEASUREMENT = st.builds(
    words.Measurement, name=WORD, value=NUMBER, unit=WORD, low=NUMBER, high=NUMBER, source=WORD, detail=WORD
)
REASON = st.builds(words.InvalidReason, rule=WORD, detail=WORD)
RUN = st.builds(
    words.RunSummary, reasons=st.tuples(REASON), measurements=st.tuples(MEASUREMENT), schedule_digest=WORD,
    started_at=TIME,
)  # fmt: skip
FORM = st.builds(
    words.Form, format=WORD, digest=WORD, size_bytes=COUNT, inputs=st.tuples(TENSOR), outputs=st.tuples(TENSOR, TENSOR),
    bound_to=LABELS, kept=st.just(True),
)  # fmt: skip
PROFILE = st.builds(
    words.Profile, id=WORD, job_id=WORD, attempt=COUNT, model_id=WORD, model_name=WORD, variant=VARIANT, load=LOAD,
    load_text=WORD, host_class=WORD, agent_id=WORD, reasons=st.tuples(REASON, REASON),
    measurements=st.tuples(MEASUREMENT, MEASUREMENT), histogram=WORD, runs=st.tuples(RUN, RUN), offered=st.booleans(),
    offer_reason=WORD, verified_on=WORD, host_json=WORD, versions=LABELS, created_at=TIME, form=FORM,
)  # fmt: skip
BACKEND = st.builds(
    words.BackendStatus, name=WORD, available=st.just(True), detail=WORD, version=WORD, devices=WORDS,
    precisions=st.lists(PRECISION, min_size=1, max_size=3).map(tuple),
)  # fmt: skip
AGENT = st.builds(
    words.Agent, id=WORD, name=WORD, host_class=WORD, host_json=WORD,
    backends=st.lists(BACKEND, min_size=1, max_size=2).map(tuple), labels=LABELS, capacity=COUNT, version=WORD,
    created_at=TIME, last_seen_at=TIME, evaluates=WORDS, devices=WORDS,
)  # fmt: skip
SEEN = st.builds(
    SeenAgent, agent=AGENT, state=st.sampled_from(words.AgentState), job_ids=WORDS, quarantined_until=TIME,
    speed=st.floats(0.1, 9.0), tier=COUNT,
)  # fmt: skip
ACQUIRED = st.builds(Acquired, lease=LEASE, job=JOB, model=MODEL, sample=SAMPLE, drain=st.just(True))
TOKEN = st.builds(
    access_words.Token, id=WORD, name=WORD, role=st.sampled_from(access_words.Role), secret_digest=WORD,
    created_at=TIME, expires_at=TIME, revoked_at=TIME,
)  # fmt: skip

OPTIONAL = {
    "msearch.v1.Tensor.Dimension.size",  # neither is set where the extent is unknown
    "msearch.v1.Tensor.Dimension.symbol",
    "google.protobuf.Timestamp.seconds",
    "google.protobuf.Timestamp.nanos",
    "google.protobuf.Duration.seconds",
    "google.protobuf.Duration.nanos",
}


@FEW
@given(st.data())
@pytest.mark.parametrize(
    ("values", "write"),
    [
        (VARIANT, jobs.write_variant),
        (LOAD, jobs.write_load),
        (SPEC, jobs.write_spec),
        (JOB, jobs.write_job),
        (LEASE, jobs.write_lease),
        (PROFILE, profiles.write_profile),
        (RUN, profiles.write_run),
        (SEEN, agents.write_agent),
        (ACQUIRED, agents.write_acquired),
        (TOKEN, access.write_token),
    ],
)
def test_every_field_is_filled(values: st.SearchStrategy[Any], write: Callable[[Any], Message], data: Any) -> None:
    message = write(data.draw(values))
    assert set(unset(message)) <= OPTIONAL
    assert type(message).FromString(message.SerializeToString()) == message


def again(message: Any) -> Any:
    """The message after its way over the wire."""
    return type(message).FromString(message.SerializeToString())


@FEW
@given(VARIANT)
def test_a_variant_makes_the_round_trip(variant: words.Variant) -> None:
    assert jobs.read_variant(again(jobs.write_variant(variant)), "") == variant


@FEW
@given(LOAD)
def test_a_load_makes_the_round_trip(load: words.Load) -> None:
    assert jobs.read_load(again(jobs.write_load(load)), "") == load
    plain = replace(load, batching=None, parameters={}, trace_s=())
    assert jobs.read_load(again(jobs.write_load(plain)), "") == plain


@FEW
@given(SPEC)
def test_a_spec_makes_the_round_trip(spec: words.JobSpec) -> None:
    assert jobs.read_spec(again(jobs.write_spec(spec)), "") == spec


def test_what_a_spec_leaves_out_is_the_default() -> None:
    message = ppb.JobSpec(
        variants=[ppb.Variant(backend="null", precision=ppb.PRECISION_FP32)],
        loads=[ppb.Load(scenario=ppb.SCENARIO_OFFLINE, batching=ppb.Batching(max_batch=1))],
    )
    expected = words.JobSpec(
        model_id="",
        variants=(words.Variant(backend="null"),),
        loads=(words.Load(scenario=words.Scenario.OFFLINE),),
    )
    assert jobs.read_spec(message, "") == expected
    assert not jobs.write_spec(expected).HasField("deadline")


@FEW
@given(JOB)
def test_a_job_says_what_it_is(job: job_words.Job) -> None:
    message = again(jobs.write_job(job))
    for name in ("id", "attempt", "max_attempts", "agent_id", "model_name", "cancel_requested"):
        assert getattr(message, name) == getattr(job, name)
    assert jobs.read_spec(message.spec, "") == job.spec
    assert enums.read_job_state(message.state, "") is job.state
    assert job.progress
    assert jobs.read_progress(message.progress) == job.progress
    assert jobs.read_failure(message.failure) == job.failure
    assert tuple(map(jobs.read_failure, message.attempt_failures)) == job.attempt_failures
    assert (message.priority, message.experiment_id, message.submitted_by) == (
        job.priority,
        job.experiment_id,
        job.submitted_by,
    )
    assert times.read_seconds(message.estimate.duration, "estimate") == job.estimate.seconds
    assert message.estimate.predicted == job.estimate.predicted
    assert tuple(message.profile_ids) == job.profile_ids
    for stamp, time in (
        (message.create_time, job.created_at),
        (message.lease_time, job.leased_at),
        (message.expire_time, job.expires_at),
        (message.end_time, job.ended_at),
    ):
        assert times.read_time(stamp, "") == time


def test_a_job_that_waits_leaves_the_rest_unset() -> None:
    spec = words.JobSpec(model_id="", variants=(), loads=())
    job = job_words.submit("j", spec, max_attempts=3, now=datetime(2026, 1, 1, tzinfo=UTC))
    message = jobs.write_job(job)
    for name in ("progress", "failure", "lease_time", "expire_time", "end_time"):
        assert not message.HasField(name)


@FEW
@given(LEASE)
def test_what_proves_a_lease_makes_the_round_trip(lease: job_words.Lease) -> None:
    message = again(jobs.write_lease(lease))
    assert jobs.read_lease(message) == replace(lease, expires_at=None, duration_s=0.0)
    assert times.read_seconds(message.duration, "") == lease.duration_s
    assert times.read_time(message.expire_time, "") == lease.expires_at


@FEW
@given(PROFILE, st.booleans())
def test_a_reported_profile_makes_the_round_trip(profile: words.Profile, valid: bool) -> None:
    if valid:
        profile = replace(profile, reasons=(), runs=tuple(replace(run, reasons=()) for run in profile.runs))
    expected = replace(
        profile, id="", job_id="", attempt=0, model_id="", model_name="", agent_id="",
        created_at=datetime(1970, 1, 1, tzinfo=UTC), form=replace(profile.form, kept=False),
    )  # fmt: skip
    message = again(profiles.write_profile(profile))
    assert profiles.read_profile(message, "") == expected
    given = ("id", "job_id", "attempt", "model_id", "model_name", "agent_id")
    assert [getattr(message, name) for name in given] == [getattr(profile, name) for name in given]
    assert times.read_time(message.create_time, "") == profile.created_at


@FEW
@given(MEASUREMENT)
def test_an_interval_of_zero_is_not_no_interval(measurement: words.Measurement) -> None:
    for low, high in ((None, None), (0.0, 0.0), (None, 1.0)):
        changed = replace(measurement, low=low, high=high)
        assert profiles.read_measurement(again(profiles.write_measurement(changed))) == changed


@FEW
@given(SEEN)
def test_an_agent_makes_the_round_trip(seen: SeenAgent) -> None:
    message = again(agents.write_agent(seen))
    report = agents.read_report(message, "agent")
    names = ("name", "host_class", "host_json", "backends", "labels", "capacity", "version", "evaluates")
    assert [getattr(report, name) for name in names] == [getattr(seen.agent, name) for name in names]
    assert message.id == seen.agent.id
    assert message.state == enums.AGENT_STATE_TO_PROTO[seen.state]
    assert tuple(message.job_ids) == seen.job_ids
    assert times.read_time(message.create_time, "") == seen.agent.created_at
    assert times.read_time(message.last_seen_time, "") == seen.agent.last_seen_at


@FEW
@given(PROFILE, MODEL, WORDS)
def test_a_ranking_speaks_of_profiles(profile: words.Profile, model: Model, names: tuple[str, ...]) -> None:
    candidate = Candidate(rank=1, model=model, dataset_name=names[0], scores=(), ranking_value=1.0, profile=profile)
    unprofiled = replace(candidate, rank=2, profile=None)
    ranking = Ranking(
        candidates=(candidate,), next_page_token="", total=1, order_by=(), space_digest="", target_rows=1, notices=(),
        exclusions=(), unmeasured=(unprofiled,), unmeasured_total=7,
    )  # fmt: skip
    message = again(search.write_ranking(ranking))
    assert message.candidates[0].profile == profiles.write_profile(profile)
    assert [(found.rank, found.HasField("profile")) for found in message.unmeasured] == [(2, False)]
    assert message.unmeasured_size == 7


@FEW
@given(st.lists(WORD, min_size=5, max_size=5), NUMBER, st.booleans())
def test_limits_on_profiles_make_the_round_trip(given: list[str], limit: float, at_most: bool) -> None:
    metric, load_text, host_class, order_by, pareto = given
    message = spb.ProfileOptions(
        constraints=[spb.Constraint(metric=metric, comparison=search.AT_MOST_TO_PROTO[at_most], limit=limit)],
        load_text=load_text, host_class=host_class, order_by_metric=order_by, pareto_metric=pareto,
    )  # fmt: skip
    assert unset(message) == []
    assert search.read_options(spb.RankingOptions(profiles=again(message))).profiles == ProfileOptions(
        constraints=(Constraint(metric, at_most, limit),), load_text=load_text, host_class=host_class,
        order_by_metric=order_by, pareto_metric=pareto,
    )  # fmt: skip


def test_an_answer_without_a_job_is_empty() -> None:
    assert agents.write_acquired(Acquired()) == gpb.AcquireJobResponse()
    assert agents.write_acquired(Acquired(drain=True)) == gpb.AcquireJobResponse(drain=True)


@FEW
@given(TOKEN)
def test_a_token_says_what_it_is_but_its_secret(token: access_words.Token) -> None:
    message = again(access.write_token(token))
    assert (message.id, message.name) == (token.id, token.name)
    assert enums.read_role(message.role, "") is token.role
    stamps = (message.create_time, message.expire_time, message.revoke_time)
    assert [times.read_time(stamp, "") for stamp in stamps] == [token.created_at, token.expires_at, token.revoked_at]
    everlasting = access.write_token(replace(token, expires_at=None, revoked_at=None))
    assert not everlasting.HasField("expire_time")
    assert not everlasting.HasField("revoke_time")


def test_the_end_of_a_token_is_optional() -> None:
    assert access.read_end(apb.CreateTokenRequest()) is None
    assert access.read_end(apb.CreateTokenRequest(expire_time=Timestamp(seconds=60))) == datetime(
        1970, 1, 1, 0, 1, tzinfo=UTC
    )


@FEW
@given(SAMPLE, WORD, st.lists(st.binary(), max_size=3))
def test_an_upload_of_a_sample_makes_the_round_trip(sample: DatasetSample, id: str, chunks: list[bytes]) -> None:
    message = types_pb2.DatasetSample(
        digest=sample.digest, size_bytes=sample.size_bytes, row_count=sample.row_count, label_column=sample.label_column
    )
    header = rpb.PutDatasetSampleRequest.Header(dataset=rpb.DatasetReference(id=id), sample=message)
    messages = iter([rpb.PutDatasetSampleRequest(header=header), *map(_chunk, chunks)])
    assert registry.read_sample_header(messages) == (Reference(id=id), sample)
    assert list(registry.read_sample_chunks(messages)) == chunks


def _chunk(data: bytes) -> rpb.PutDatasetSampleRequest:
    return rpb.PutDatasetSampleRequest(chunk=data)


@pytest.mark.parametrize(
    ("both", "known", "enum", "unspecified"),
    [
        (enums.PRECISION_TO_PROTO, words.Precision, ppb.Precision, ppb.PRECISION_UNSPECIFIED),
        (enums.SCENARIO_TO_PROTO, words.Scenario, ppb.Scenario, ppb.SCENARIO_UNSPECIFIED),
        (enums.JOB_STATE_TO_PROTO, job_words.JobState, ppb.JobState, ppb.JOB_STATE_UNSPECIFIED),
        (enums.AGENT_STATE_TO_PROTO, words.AgentState, ppb.AgentState, ppb.AGENT_STATE_UNSPECIFIED),
        (enums.VERDICT_TO_PROTO, (True, False), ppb.Verdict, ppb.VERDICT_UNSPECIFIED),
        (enums.OFFER_TO_PROTO, (True, False), ppb.Offer, ppb.OFFER_UNSPECIFIED),
        (search.AT_MOST_TO_PROTO, (True, False), spb.Constraint.Comparison, spb.Constraint.COMPARISON_UNSPECIFIED),
        (enums.ROLE_TO_PROTO, access_words.Role, apb.Role, apb.ROLE_UNSPECIFIED),
        (enums.PART_TO_PROTO, Part, gpb.FetchForJobRequest.Part, gpb.FetchForJobRequest.PART_UNSPECIFIED),
    ],
)
def test_enums_map_every_value_both_ways(both: Mapping[Any, int], known: Any, enum: Any, unspecified: int) -> None:
    assert set(both) == set(known)
    assert set(both.values()) == set(enum.values()) - {unspecified}
    for value, number in both.items():
        if not isinstance(value, bool):
            assert enum.Name(number).endswith(value.name)


VALID = {"verdict": ppb.VERDICT_VALID, "offer": ppb.OFFER_OFFERED}
SOUND = {"variant": ppb.Variant(precision=1), "load": ppb.Load(scenario=1)} | VALID
WRONG: dict[str, Callable[[], object]] = {
    "variant.precision": lambda: jobs.read_variant(ppb.Variant(), "variant"),
    "load.scenario": lambda: jobs.read_load(ppb.Load(), "load"),
    "load.batching.max_wait": lambda: jobs.read_load(
        ppb.Load(scenario=1, batching=ppb.Batching(max_batch=2, max_wait=Duration(seconds=-1))), "load"
    ),
    "spec.variants[1].precision": lambda: jobs.read_spec(
        ppb.JobSpec(variants=[ppb.Variant(precision=1), ppb.Variant(precision=9)]), "spec"  # type: ignore[arg-type]
    ),
    "spec.deadline": lambda: jobs.read_spec(ppb.JobSpec(deadline=Duration(seconds=-1)), "spec"),
    "spec.limits.min_duration": lambda: jobs.read_spec(
        ppb.JobSpec(limits=ppb.RunLimits(min_duration=Duration(nanos=10**9))), "spec"
    ),
    "spec.limits.max_duration": lambda: jobs.read_spec(
        ppb.JobSpec(limits=ppb.RunLimits(max_duration=Duration(seconds=2**60))), "spec"
    ),
    "profile.verdict": lambda: profiles.read_profile(ppb.Profile(**SOUND | {"verdict": 0}), "profile"),
    "profile.offer": lambda: profiles.read_profile(ppb.Profile(**SOUND | {"offer": 0}), "profile"),
    "profile.runs[0].verdict": lambda: profiles.read_profile(ppb.Profile(**SOUND, runs=[ppb.RunSummary()]), "profile"),
    "run.start_time": lambda: profiles.read_run(
        ppb.RunSummary(verdict=ppb.VERDICT_VALID, start_time=Timestamp(seconds=2**60)), "run"
    ),
    "agent.backends[0].precisions[1]": lambda: agents.read_report(
        ppb.Agent(backends=[ppb.BackendStatus(precisions=[1, 0])]), "agent"
    ),
    "options.profiles.constraints[0].comparison": lambda: search.read_options(
        spb.RankingOptions(profiles=spb.ProfileOptions(constraints=[spb.Constraint(metric="p99_ms")]))
    ),
    "state": lambda: enums.read_job_state(77, "state"),
    "role": lambda: enums.read_role(0, "role"),
    "part": lambda: enums.read_part(0, "part"),
    "expire_time": lambda: access.read_end(apb.CreateTokenRequest(expire_time=Timestamp(seconds=-(2**60)))),
    "header": lambda: registry.read_sample_header(iter([_chunk(b"x")])),
    "dataset": lambda: registry.read_sample_header(
        iter([rpb.PutDatasetSampleRequest(header=rpb.PutDatasetSampleRequest.Header())])
    ),
    "chunk": lambda: list(
        registry.read_sample_chunks([rpb.PutDatasetSampleRequest(header=rpb.PutDatasetSampleRequest.Header())])
    ),
}  # fmt: skip


@pytest.mark.parametrize("path", WRONG)
def test_what_is_wrong_is_named(path: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        WRONG[path]()
    assert [field for field, _ in caught.value.fields] == [path]


@pytest.mark.parametrize(
    ("verdict", "reasons"),
    [(ppb.VERDICT_VALID, [ppb.InvalidReason(rule="unsteady")]), (ppb.VERDICT_INVALID, [])],
)
def test_a_verdict_must_agree_with_its_reasons(verdict: ppb.Verdict.ValueType, reasons: list[Any]) -> None:
    with pytest.raises(InvalidArgument, match=r"run\.verdict"):
        profiles.read_run(ppb.RunSummary(verdict=verdict, reasons=reasons), "run")

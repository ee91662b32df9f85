"""The scheduler in the service: placement, order, tiers, quarantine, fair shares, what it learns and what it says."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from msearch_scheduling.trust import ENOUGH
from search_service.domain.catalog import Artifact
from search_service.domain.errors import NotFound, Reason, Unavailable
from search_service.domain.graph_counts import GraphCounts
from search_service.domain.jobs import Failure, Job, JobState, Step
from search_service.domain.profiling import Precision, RunLimits
from search_service.usecases.agents import AgentReport, drain_agent, get_agent, register_agent
from search_service.usecases.explaining import explain_job
from search_service.usecases.jobs import cancel_job, get_job, submit_job
from search_service.usecases.lease_keeping import expire_leases
from search_service.usecases.leases import acquire_job, complete_job, fail_job, release_job
from search_service.usecases.profiling import Profiling
from search_service.usecases.revising import Reviser
from search_service.usecases.stranded import LOOKED_AT_ONCE, StrandedJobs
from tests.catalogue import a_model, put_models
from tests.profiling_at_work import AtWork, at_work
from tests.profiling_objects import a_full_agent, a_profile, a_spec, a_variant, an_agent, measured, put_profiles

__all__ = ["at_work"]

AN_ARTIFACT = Artifact(format="onnx", digest="ab" * 32, size_bytes=1 << 20)


def joined(at_work: AtWork, name: str, *, host_class: str = "cpu", gflop_per_s: float = 0.0, **fields: Any) -> str:
    """The id of an agent that has just registered."""
    host = {"peaks": [{"threads": 1, "gflop_per_s": gflop_per_s}]} if gflop_per_s else {}
    values: dict[str, Any] = {"backends": an_agent().backends, "labels": {}, "host_json": json.dumps(host)}
    report = AgentReport(name=name, host_class=host_class, **(values | fields))
    return register_agent(at_work.profiling, None, report).agent.id


def submitted(at_work: AtWork, seconds: float = 1.0, **fields: Any) -> Job:
    """A job for the backend null, of about that size and a little more."""
    spec = a_spec(limits=RunLimits(min_duration_s=seconds, min_queries=1, repeats=1))
    return submit_job(at_work.profiling, "", spec, allow_waiting=True, **fields)


def acquired(at_work: AtWork, agent_id: str) -> Job:
    got = acquire_job(at_work.profiling, None, agent_id)
    assert got.job is not None
    return got.job


def completed(at_work: AtWork, agent_id: str, seconds: float) -> Job:
    """The job that the agent takes next, which then takes that long."""
    job = acquired(at_work, agent_id)
    at_work.pass_time(seconds)
    return complete_job(at_work.profiling, None, job.lease, [a_profile("")])


def place_stranded(profiling: Profiling) -> int:
    """As a replica does that has just started."""
    return StrandedJobs(profiling).place_again()


def names(at_work: AtWork, jobs: Sequence[Job]) -> list[str]:
    return [
        get_agent(at_work.profiling, job.placed_on).agent.name if job.placed_on else ""
        for job in (get_job(at_work.profiling, one.id) for one in jobs)
    ]


def test_jobs_are_spread_over_the_agents_that_can_take_them(at_work: AtWork) -> None:
    for name in "ab":
        joined(at_work, name)
    joined(at_work, "other", backends=a_full_agent().backends)
    jobs = [submitted(at_work) for _ in range(4)]
    assert sorted(names(at_work, jobs)) == ["a", "a", "b", "b"]
    assert "fewest jobs" in jobs[0].decisions[0].reason, "sizes are not trusted yet"
    assert jobs[0].decisions[0].step is Step.PLACED


def test_sizes_are_trusted_once_they_are_known(at_work: AtWork) -> None:
    """Ten jobs that end as they were estimated; then a long one weighs more than two short ones."""
    a = joined(at_work, "a")
    b = joined(at_work, "b")
    for _ in range(ENOUGH + 4):
        job = submitted(at_work)
        completed(at_work, a if job.placed_on == a else b, job.estimate.seconds)
    jobs = [submitted(at_work, seconds) for seconds in (100.0, 1.0, 1.0, 1.0)]
    placed = names(at_work, jobs)
    assert len({*placed[1:]}) == 1
    assert placed[0] != placed[1]
    last = get_job(at_work.profiling, jobs[-1].id)
    assert last.estimate.predicted
    assert "least estimated remaining work" in last.decisions[0].reason
    assert "sizes are trusted" in explain_job(at_work.profiling, last.id).sizes


def test_the_predictor_learns_how_long_jobs_take(at_work: AtWork) -> None:
    agent = joined(at_work, "a")
    first = submitted(at_work, 2.0)
    assert not first.estimate.predicted
    completed(at_work, agent, 30.0)
    for _ in range(5):
        submitted(at_work, 2.0)
        completed(at_work, agent, 30.0)
    later = submitted(at_work, 2.0)
    assert later.estimate.predicted
    assert later.estimate.seconds == pytest.approx(30.0, rel=0.1)
    assert submitted(at_work, 40.0).estimate.seconds > 50.0


def test_estimates_of_jobs_that_wait_are_revised(at_work: AtWork) -> None:
    agent = joined(at_work, "a")
    jobs = [submitted(at_work, 2.0) for _ in range(6)]
    reviser = Reviser(at_work.profiling)
    assert reviser.revise() == 0, "nothing has ended"
    for _ in range(4):
        completed(at_work, agent, 60.0)
    assert reviser.revise() == 2
    assert reviser.revise() == 0
    left = [get_job(at_work.profiling, job.id) for job in jobs]
    waiting = [job for job in left if job.state is JobState.PENDING]
    assert [job.estimate.predicted for job in waiting] == [True, True]
    assert waiting[0].estimate.seconds > 30
    with at_work.database.begin() as unit:
        assert {job.estimate_s for job in unit.queue.placed_on(agent)} == {waiting[0].estimate.seconds}


def test_a_slow_models_latency_counts(at_work: AtWork) -> None:
    """662 queries of 100 ms last a minute, not two seconds; a profile says so, by the batch law for another batch."""
    put_models(at_work.database, a_model("m"))
    variant = a_variant(threads=1, precision=Precision.FP32)
    spec = a_spec(model_id="m", variants=(variant,), limits=RunLimits(repeats=1))
    unknown = submit_job(at_work.profiling, "", spec, allow_waiting=True)
    for batch, latency_ms in ((1, 20.0), (4, 80.0)):
        profile = a_profile(
            f"p{batch}",
            model_id="m",
            variant=replace(variant, batch_size=batch),
            measurements=measured(service_p50_ms=latency_ms, cold_start_ms=900.0),
        )
        put_profiles(at_work.database, profile)
    known = submit_job(at_work.profiling, "", spec, allow_waiting=True)
    assert known.shape.driven_s == pytest.approx(662 * 0.02)
    assert (known.shape.known_setup_s, dict(known.shape.variants)) == (0.9, {})
    larger = submit_job(
        at_work.profiling, "", replace(spec, variants=(replace(variant, batch_size=2),)), allow_waiting=True
    )
    assert larger.shape.driven_s == pytest.approx(662 * 0.04)
    assert dict(larger.shape.variants) == {"onnxruntime": 1}
    assert unknown.shape.driven_s < known.shape.driven_s < larger.shape.driven_s


def test_flops_tell_where_a_model_was_measured_elsewhere(at_work: AtWork) -> None:
    put_models(at_work.database, a_model("m"), a_model("other"))
    variant = a_variant(threads=1, precision=Precision.FP32)
    put_profiles(
        at_work.database,
        a_profile("p1", model_id="m", variant=variant, host_class="gpu", measurements=measured(p50_ms=1.0, flops=4e9)),
        a_profile(
            "p2", model_id="other", variant=variant, host_class="cpu", measurements=measured(p50_ms=5.0, flops=1e9)
        ),
    )
    spec = a_spec(model_id="m", variants=(variant,), host_class="cpu", limits=RunLimits(repeats=1))
    job = submit_job(at_work.profiling, "", spec, allow_waiting=True)
    assert job.shape.driven_s == pytest.approx(662 * 0.02), "four times the FLOPs, four times as long"


@pytest.mark.parametrize("host_class", ["", "cpu"])
def test_counted_flops_tell_of_a_model_that_was_never_profiled(at_work: AtWork, host_class: str) -> None:
    known, unknown = a_model("m", artifact=AN_ARTIFACT), a_model("other")
    put_models(at_work.database, known, unknown)
    variant = a_variant(threads=1, precision=Precision.FP32)
    asked: list[list[str]] = []

    def count(digests: Sequence[str]) -> dict[str, GraphCounts]:
        asked.append(list(digests))
        return {digest: GraphCounts(flops=4_000_000_000, operators=3) for digest in digests}

    put_profiles(
        at_work.database,
        a_profile(
            "p", model_id="other", variant=variant, host_class="cpu", measurements=measured(p50_ms=5.0, flops=1e9)
        ),
    )
    counting = replace(at_work.profiling, count_graphs=count)
    spec = a_spec(model_id="m", variants=(variant,), host_class=host_class, limits=RunLimits(repeats=1))
    for _ in range(2):
        assert submit_job(counting, "", spec, allow_waiting=True).shape.driven_s == pytest.approx(662 * 0.02)
    assert asked == [[AN_ARTIFACT.digest]], "once an artifact"
    submit_job(counting, "", replace(spec, model_id="other"), allow_waiting=True)
    assert len(asked) == 1, "and not of what was profiled"


def test_what_cannot_be_counted_stands_in_the_way_of_no_job(at_work: AtWork) -> None:
    put_models(at_work.database, a_model("m", artifact=AN_ARTIFACT))

    def fail(digests: Sequence[str]) -> dict[str, GraphCounts]:
        raise Unavailable("the blob store cannot read", Reason.STORAGE_UNAVAILABLE)

    spec = a_spec(model_id="m", variants=(a_variant(),))
    assert submit_job(replace(at_work.profiling, count_graphs=fail), "", spec, allow_waiting=True).shape.driven_s > 0
    with pytest.raises(NotFound):
        submit_job(replace(at_work.profiling, count_graphs=fail), "", replace(spec, model_id="?"), allow_waiting=True)


def test_the_shortest_job_goes_first_and_says_so(at_work: AtWork) -> None:
    agent = joined(at_work, "a")
    submitted(at_work, 5.0)
    long, short = submitted(at_work, 30.0), submitted(at_work, 1.0)
    at_work.pass_time(60)
    first = acquired(at_work, agent)
    assert first.id == short.id
    assert f"goes before job {get_job(at_work.profiling, 'job_2').id}" in first.decisions[-1].reason
    why = explain_job(at_work.profiling, long.id).why
    assert "waited 60 s for agent a; agent a runs job" in why
    assert "1 came before it" in why


def test_the_higher_priority_goes_first(at_work: AtWork) -> None:
    agent = joined(at_work, "a")
    submitted(at_work, 1.0)
    urgent = submitted(at_work, 50.0, priority=1)
    assert acquired(at_work, agent).id == urgent.id


def test_users_who_had_less_come_first(at_work: AtWork) -> None:
    agent = joined(at_work, "a")
    for _ in range(3):
        submitted(at_work, submitted_by="ana")
        completed(at_work, agent, 20.0)
    ana = submitted(at_work, 4.0, submitted_by="ana")
    ben = submitted(at_work, 5.0, submitted_by="ben")
    at_work.pass_time(70)
    assert "since user ana had more than others" in explain_job(at_work.profiling, ana.id).why
    assert acquired(at_work, agent).id == ben.id


def test_an_agent_without_jobs_takes_those_of_others(at_work: AtWork) -> None:
    a = joined(at_work, "a")
    jobs = [submitted(at_work) for _ in range(3)]
    b = joined(at_work, "b")
    acquired(at_work, a)
    taken = acquired(at_work, b)
    assert taken.placed_on == a
    assert "agent b is idle and finishes it sooner" in taken.decisions[-1].reason
    assert "it waited for agent a" in explain_job(at_work.profiling, taken.id).why
    assert len({taken.id, *(job.id for job in jobs)}) == 3


def test_jobs_end_sooner_on_faster_agents(at_work: AtWork) -> None:
    fast = joined(at_work, "fast", host_class="f", labels={"who": "fast"})
    slow = joined(at_work, "slow", host_class="s", labels={"who": "slow"})
    for _ in range(12):
        for agent, who, seconds in ((fast, "fast", 5.0), (slow, "slow", 20.0)):
            submit_job(at_work.profiling, "", a_spec(labels={"who": who}), allow_waiting=True)
            completed(at_work, agent, seconds)
    speeds = [get_agent(at_work.profiling, name).speed for name in ("fast", "slow")]
    assert speeds[0] > 2 * speeds[1]
    jobs = [submitted(at_work, 5.0) for _ in range(4)]
    assert names(at_work, jobs).count("fast") >= 3
    assert "at speed" in jobs[0].decisions[0].reason


def test_jobs_that_measure_share_no_device(at_work: AtWork) -> None:
    put_models(at_work.database, a_model("m"))
    onnx = a_full_agent().backends
    a = joined(at_work, "a", backends=onnx, devices=("h/cpu0",))
    b = joined(at_work, "b", backends=(*onnx, *an_agent().backends), devices=("h/cpu0",))
    spec = a_spec(model_id="m", variants=(a_variant(precision=Precision.FP32),))
    first, second = (submit_job(at_work.profiling, "", spec) for _ in range(2))
    held = acquired(at_work, a)
    assert acquire_job(at_work.profiling, None, b).job is None
    waiting = second if held.id == first.id else first
    if get_job(at_work.profiling, waiting.id).placed_on == b:
        assert f"job {held.id} holds device h/cpu0" in explain_job(at_work.profiling, waiting.id).why
    harmless = submitted(at_work)
    assert acquired(at_work, b).id == harmless.id, "what measures nothing there may run"
    complete_job(at_work.profiling, None, held.lease, [a_profile("")])
    assert acquired(at_work, a).id == waiting.id


def fail(at_work: AtWork, agent_id: str) -> Job:
    """The agent takes a job and cannot do it; another attempt may help."""
    held = acquired(at_work, agent_id)
    return fail_job(at_work.profiling, None, held.lease, Failure(code="internal", message="disk full"), retry=True)


def test_what_failed_is_tried_again_elsewhere(at_work: AtWork) -> None:
    a, b = joined(at_work, "a"), joined(at_work, "b")
    submitted(at_work)
    running = acquired(at_work, b)
    job = submitted(at_work)
    failed = fail(at_work, a)
    assert (failed.id, failed.state, failed.placed_on) == (job.id, JobState.PENDING, b)
    assert failed.decisions[-1].reason.endswith("the last attempt failed on agent a")
    assert acquire_job(at_work.profiling, None, a).job is None, "an agent does not take over what it has failed itself"
    complete_job(at_work.profiling, None, running.lease, [a_profile("")])
    assert acquired(at_work, b).id == job.id


def test_what_failed_is_tried_again_there_where_nobody_else_can(at_work: AtWork) -> None:
    a = joined(at_work, "a")
    job = submitted(at_work)
    joined(at_work, "b")
    fail(at_work, a)
    assert acquire_job(at_work.profiling, None, a).job is None
    drain_agent(at_work.profiling, "b")
    assert place_stranded(at_work.profiling) == 1
    assert acquired(at_work, a).id == job.id


def vanish(at_work: AtWork, agent_id: str) -> None:
    """The agent takes a job and is not heard of again in time."""
    acquired(at_work, agent_id)
    at_work.pass_time(31)
    assert expire_leases(at_work.profiling, at_work.now) == 1


def test_repeat_offenders_are_quarantined_and_released(at_work: AtWork) -> None:
    a = joined(at_work, "a")
    job = submitted(at_work, max_attempts=9)
    for _ in range(3):
        vanish(at_work, a)
    assert acquire_job(at_work.profiling, None, a).job is None
    seen = get_agent(at_work.profiling, "a")
    assert seen.quarantined_until is not None
    assert seen.quarantined_until > at_work.now
    at_work.pass_time(1)
    acquire_job(at_work.profiling, None, a)
    assert place_stranded(at_work.profiling) == 0
    assert "quarantined" in explain_job(at_work.profiling, job.id).why
    b = joined(at_work, "b")
    assert place_stranded(at_work.profiling) == 1
    assert names(at_work, [job]) == ["b"]
    assert acquired(at_work, b).id == job.id
    at_work.pass_time(601)
    expire_leases(at_work.profiling, at_work.now)
    assert get_agent(at_work.profiling, "a").quarantined_until is None
    assert acquired(at_work, a).id == job.id


def test_who_takes_a_drain_back_ends_the_quarantine(at_work: AtWork) -> None:
    a = joined(at_work, "a")
    submitted(at_work, max_attempts=9)
    for _ in range(3):
        vanish(at_work, a)
    assert drain_agent(at_work.profiling, "a", undo=True).quarantined_until is None
    acquired(at_work, a)


def test_a_deadline_that_was_too_short_is_not_the_agents_fault(at_work: AtWork) -> None:
    a = joined(at_work, "a")
    for number, deadline_s in enumerate([1.0, 1.0, 1.0, 1.0, 600.0, 600.0, 600.0]):
        assert get_agent(at_work.profiling, "a").quarantined_until is None, number
        spec = a_spec(deadline_s=deadline_s, limits=RunLimits(min_duration_s=0.5, min_queries=1, repeats=1))
        submit_job(at_work.profiling, "", spec)
        job = acquired(at_work, a)
        fail_job(at_work.profiling, None, job.lease, Failure(code="deadline_exceeded", message=""), retry=False)
    assert get_agent(at_work.profiling, "a").quarantined_until is not None


def test_jobs_of_agents_that_are_gone_wait_for_others(at_work: AtWork) -> None:
    joined(at_work, "gone")
    jobs = [submitted(at_work) for _ in range(2)]
    at_work.pass_time(120)
    b = joined(at_work, "b")
    assert "was not heard of since" in explain_job(at_work.profiling, jobs[0].id).why
    assert place_stranded(at_work.profiling) == 2
    assert place_stranded(at_work.profiling) == 0
    assert names(at_work, jobs) == ["b", "b"]
    drain_agent(at_work.profiling, "b")
    assert place_stranded(at_work.profiling) == 0, "there is nobody else"
    assert "drains" in explain_job(at_work.profiling, jobs[0].id).why
    assert acquire_job(at_work.profiling, None, b).job is None


def test_a_job_nobody_can_take_says_what_is_missing(at_work: AtWork) -> None:
    joined(at_work, "a")
    job = submit_job(at_work.profiling, "", a_spec(labels={"zone": "north"}), allow_waiting=True)
    assert (job.placed_on, job.decisions[-1].agent_id) == ("", "")
    assert "a does not offer label zone=north" in explain_job(at_work.profiling, job.id).why
    place_stranded(at_work.profiling)
    assert len(get_job(at_work.profiling, job.id).decisions) == 1, "the same once more is no news"
    joined(at_work, "b", labels={"zone": "north"})
    assert place_stranded(at_work.profiling) == 1
    assert names(at_work, [job]) == ["b"]


def test_an_experiment_is_measured_in_one_tier(at_work: AtWork) -> None:
    for number in range(2):
        joined(at_work, f"fast{number}", host_class="fast", gflop_per_s=100.0)
        joined(at_work, f"near{number}", host_class="near", gflop_per_s=90.0)
        joined(at_work, f"slow{number}", host_class="slow", gflop_per_s=10.0)
    assert [get_agent(at_work.profiling, name).tier for name in ("fast0", "near0", "slow0")] == [0, 0, 1]
    jobs = [submitted(at_work, experiment_id="e") for _ in range(6)]
    tiers = {get_agent(at_work.profiling, name).tier for name in names(at_work, jobs)}
    assert len(tiers) == 1
    other = [submitted(at_work, experiment_id="f") for _ in range(2)]
    assert {get_agent(at_work.profiling, name).tier for name in names(at_work, other)} == {0, 1} - tiers, (
        "the tier that is covered least"
    )
    reasons = [job.decisions[0].reason for job in jobs]
    assert "is covered least" in reasons[0]
    assert "experiment e is measured in tier" in reasons[1]


def test_a_lost_run_goes_on_in_its_tier(at_work: AtWork) -> None:
    fast = [joined(at_work, f"fast{n}", host_class="fast", gflop_per_s=100.0) for n in range(2)]
    slow = joined(at_work, "slow", host_class="slow", gflop_per_s=10.0)
    job = submitted(at_work, experiment_id="e")
    holder, other = fast if job.placed_on == fast[0] else fast[::-1]
    assert job.tier == "fast"
    acquired(at_work, holder)
    at_work.pass_time(31)
    expire_leases(at_work.profiling, at_work.now)
    joined(at_work, "new", host_class="newer", gflop_per_s=900.0)  # a tier above it: numbers move, the tier stays
    assert acquire_job(at_work.profiling, None, slow).job is None
    assert acquired(at_work, other).id == job.id


def test_a_tier_without_an_agent_that_can_is_left(at_work: AtWork) -> None:
    joined(at_work, "fast", host_class="fast", gflop_per_s=100.0)
    joined(at_work, "slow", host_class="slow", gflop_per_s=10.0, labels={"zone": "a"})
    first = submitted(at_work, experiment_id="e")
    second = submit_job(at_work.profiling, "", a_spec(labels={"zone": "a"}), experiment_id="e")
    assert names(at_work, [first, second]) == ["fast", "slow"]


def test_a_released_job_waits_again(at_work: AtWork) -> None:
    a = joined(at_work, "a")
    submitted(at_work)
    job = acquired(at_work, a)
    release_job(at_work.profiling, None, job.lease)
    again = get_job(at_work.profiling, job.id)
    assert (again.state, again.placed_on) == (JobState.PENDING, a)
    assert [decision.step for decision in again.decisions] == [Step.PLACED, Step.LEASED, Step.PLACED]


def test_what_ended_says_who_had_it(at_work: AtWork) -> None:
    a = joined(at_work, "a")
    job = submitted(at_work)
    completed(at_work, a, 3.0)
    found = explain_job(at_work.profiling, job.id)
    assert found.why.startswith("agent a had it: the only job that waits for agent a")
    assert [decision.agent_id for decision in found.decisions] == ["a", "a"], "by name"
    never = submitted(at_work)
    cancel_job(at_work.profiling, never.id)
    assert explain_job(at_work.profiling, never.id).why == "it was cancelled while it waited"
    with pytest.raises(NotFound):
        explain_job(at_work.profiling, "?")


def test_no_job_waits_longer_than_three_times_its_turn(at_work: AtWork) -> None:
    """Short jobs keep coming; the long one that waits is overtaken only so often."""
    a = joined(at_work, "a")
    submitted(at_work, 10.0)
    completed(at_work, a, 12.0)
    first = submitted(at_work, 10.0)
    taken = acquired(at_work, a)
    assert taken.id == first.id
    long = submitted(at_work, 100.0)
    at_work.pass_time(12)
    complete_job(at_work.profiling, None, taken.lease, [a_profile("")])
    waited = timedelta(seconds=12)
    for _ in range(20):
        submitted(at_work, 2.0)
        job = acquired(at_work, a)
        if job.id == long.id:
            break
        at_work.pass_time(4)
        waited += timedelta(seconds=4)
        complete_job(at_work.profiling, None, job.lease, [a_profile("")])
    assert job.id == long.id
    assert timedelta(seconds=12) < waited <= timedelta(seconds=36)


def test_a_tier_is_waited_for_and_left_when_nobody_comes_back(at_work: AtWork) -> None:
    joined(at_work, "fast", host_class="fast", gflop_per_s=100.0)
    first = submitted(at_work, experiment_id="e")
    at_work.pass_time(600)
    joined(at_work, "slow", host_class="slow", gflop_per_s=10.0)
    second = submitted(at_work, experiment_id="e")
    assert place_stranded(at_work.profiling) == 0
    assert names(at_work, [first, second]) == ["", ""], "the fast one may come back"
    assert "experiment e is measured in tier 0" in explain_job(at_work.profiling, second.id).why
    at_work.pass_time(3600)
    joined(at_work, "slow", host_class="slow", gflop_per_s=10.0)
    assert place_stranded(at_work.profiling) == 2
    assert names(at_work, [first, second]) == ["slow", "slow"]


def test_jobs_nobody_can_take_keep_no_other_from_being_placed(at_work: AtWork) -> None:
    """However many there are, those behind them are reached, and none is looked at again for nothing."""
    for _ in range(LOOKED_AT_ONCE + 5):
        submit_job(at_work.profiling, "", a_spec(labels={"zone": "nowhere"}), allow_waiting=True)
    behind = submitted(at_work)
    stranded = StrandedJobs(at_work.profiling)
    assert [stranded.place_again() for _ in range(2)] == [0, 0]
    joined(at_work, "a")
    assert [stranded.place_again() for _ in range(3)] == [0, 1, 0]
    assert names(at_work, [behind]) == ["a"]

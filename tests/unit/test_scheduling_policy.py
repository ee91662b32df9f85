"""Decisions of the scheduling policy on small, hand-made cases, with the reasons they give."""

from __future__ import annotations

import math
from typing import Any

import pytest

from msearch_scheduling.conduct import Conduct, ConductRules
from msearch_scheduling.dispatch import next_job, why_waiting
from msearch_scheduling.fairness import Usage, shares
from msearch_scheduling.leases import held_devices, lease_conflict
from msearch_scheduling.ordering import OrderRules, choose_next
from msearch_scheduling.placement import Measure, backlogs, place
from msearch_scheduling.takeover import take_over
from msearch_scheduling.tiers import choose_tier, class_tiers, speeds, tiers
from msearch_scheduling.trust import ENOUGH, Trust
from msearch_scheduling.work import Agent, RunningJob, WaitingJob


def job(number: int, size: float = 1.0, *, at: float = 0.0, **values: Any) -> WaitingJob:
    return WaitingJob(id=f"j{number}", number=number, estimate_s=size, submitted_at=at, **values)


def test_a_job_waits_where_it_would_be_done_first() -> None:
    fast, slow = Agent(id="fast", speed=4.0), Agent(id="slow", speed=1.0)
    before = backlogs([fast, slow], [job(1, 10, agent_id="fast"), job(2, 5, agent_id="slow")], now=0)
    found = place(job(3, 2), [fast, slow], before, measure=Measure.WORK, now=0)
    assert found.agent_id == "fast"
    assert "least estimated remaining work, 2.5 s at speed 4, of 2" in found.reason


def test_fewest_jobs_count_where_sizes_are_not_trusted() -> None:
    a, b = Agent(id="a"), Agent(id="b")
    before = backlogs([a, b], [job(1, 1, agent_id="a"), job(2, 1, agent_id="a"), job(3, 90, agent_id="b")], now=0)
    assert place(job(4), [a, b], before, measure=Measure.WORK, now=0).agent_id == "a"
    found = place(job(4), [a, b], before, measure=Measure.JOBS, now=0)
    assert found.agent_id == "b"
    assert "fewest jobs, 1" in found.reason


def test_what_runs_counts_with_what_is_left_of_it() -> None:
    a = Agent(id="a", speed=2.0, running=RunningJob(id="r", estimate_s=10, started_at=0))
    assert backlogs([a], [], now=3)["a"].work_s == 4
    assert backlogs([a], [], now=99)["a"].work_s == 0
    assert backlogs([a], [], now=3)["a"].jobs == 1


def test_a_job_nobody_can_take_says_why() -> None:
    agents = [
        Agent(id="a", offers=frozenset({"backend torch/fp32"}), tier=1),
        Agent(id="b", offers=frozenset({"backend torch/fp32"}), quarantined_until=90),
        Agent(id="c"),
    ]
    wanted = job(1, needs=frozenset({"backend torch/fp32"}), tier=0, experiment="e")
    found = place(wanted, agents, backlogs(agents, [], now=0), measure=Measure.WORK, now=0)
    assert found.agent_id == ""
    assert "a is of tier 1, and experiment e is measured in tier 0" in found.reason
    assert "b is quarantined for another 90 s" in found.reason
    assert "c does not offer backend torch/fp32" in found.reason
    assert place(wanted, agents, backlogs(agents, [], now=90), measure=Measure.WORK, now=90).agent_id == "b"
    assert place(wanted, [], {}, measure=Measure.WORK, now=0).reason == "no agent is registered"


def test_the_shortest_goes_first_while_the_oldest_can_wait() -> None:
    agent, rules = Agent(id="a"), OrderRules(ageing=0)
    queue = [job(1, 10, at=0), job(2, 3, at=0), job(3, 2, at=0)]
    chosen = choose_next(agent, queue, now=4, rules=rules)
    assert chosen is not None
    assert chosen.job.id == "j3"
    assert "goes before job j1" in chosen.reason


def test_the_oldest_goes_when_overtaking_would_break_the_limit() -> None:
    agent, rules = Agent(id="a"), OrderRules(ageing=0, wait_limit=3)
    queue = [job(1, 10, at=0, overtaken_s=7), job(2, 2, at=5)]
    # Job 1 waited 11: 4 behind older ones, so 8 may be spent on younger ones, and 7 have been.
    chosen = choose_next(agent, queue, now=11, rules=rules)
    assert chosen is not None
    assert chosen.job.id == "j1"
    assert "job j2 is shorter, but job j1 would then wait more than 3 times" in chosen.reason
    relaxed = choose_next(agent, queue, now=11, rules=OrderRules(ageing=0, wait_limit=4))
    assert relaxed is not None
    assert relaxed.job.id == "j2"


def test_waiting_takes_off_the_score() -> None:
    agent, queue = Agent(id="a"), [job(1, 10, at=0), job(2, 3, at=50)]
    chosen = [choose_next(agent, queue, now=60, rules=OrderRules(ageing=ageing)) for ageing in (0, 0.2)]
    assert [choice.job.id for choice in chosen if choice] == ["j2", "j1"]


def test_a_user_who_had_more_stands_back() -> None:
    agent, queue = Agent(id="a"), [job(1, 2, user="often"), job(2, 3, user="seldom")]
    weights = shares({"often": 100.0}, ["often", "seldom"], grain_s=10)
    assert weights == {"often": 11.0, "seldom": 1.0}
    without = choose_next(agent, queue, now=10, rules=OrderRules(ageing=0))
    fair = choose_next(agent, queue, now=10, rules=OrderRules(ageing=0), shares=weights)
    assert without is not None
    assert fair is not None
    assert (without.job.id, fair.job.id) == ("j1", "j2")
    assert shares({"only": 50.0}, ["only"], grain_s=1) == {"only": 1.0}


def test_usage_fades_by_half() -> None:
    usage = Usage().after(100, now=0)
    assert usage.faded(3600) == pytest.approx(50)
    assert usage.after(10, now=3600).faded(3600) == pytest.approx(60)
    assert usage.faded(-5) == 100


def test_an_idle_agent_takes_the_shortest_job_that_it_ends_sooner() -> None:
    run = RunningJob(id="r", estimate_s=4, started_at=0)
    busy, idle, slow = Agent(id="busy", running=run), Agent(id="idle"), Agent(id="slow", speed=0.1)
    agents = {agent.id: agent for agent in (busy, idle, slow)}
    queue = [job(1, 8, agent_id="busy"), job(2, 1, agent_id="busy")]
    before = backlogs(agents.values(), queue, now=0)
    taken = take_over(idle, agents, queue, before, now=0, rules=OrderRules())
    assert taken is not None
    assert taken.job.id == "j2"
    assert "waited for agent busy" in taken.reason
    assert take_over(slow, agents, queue, before, now=0, rules=OrderRules()) is None
    needy = [job(3, 1, agent_id="gone", needs=frozenset({"gpu"}))]
    assert take_over(idle, agents, needy, before, now=0, rules=OrderRules()) is None


def test_trust_comes_and_goes_with_hysteresis() -> None:
    trust = Trust(distrust_above=0.8, trust_below=0.6)
    assert trust.measure is Measure.JOBS
    for _ in range(ENOUGH):
        trust = trust.after(estimate_s=1, actual_s=2)
    assert trust.measure is Measure.WORK, "a constant factor spoils no comparison"
    assert trust.record.bias == pytest.approx(math.log(2))
    states = []
    for sigma in (0.7, 0.9, 0.7, 0.5):
        for turn in range(200):
            trust = trust.after(estimate_s=1, actual_s=math.exp(sigma if turn % 2 else -sigma))
        assert trust.record.sigma == pytest.approx(sigma, abs=0.05)
        states.append(trust.trusted)
    assert states == [True, False, False, True]
    assert "until sigma exceeds 0.8" in trust.reason


def test_devices_are_held_by_one_job() -> None:
    run = RunningJob(id="r", estimate_s=1, started_at=0)
    busy = Agent(id="busy", devices=frozenset({"h/cpu", "h/cuda:0"}), running=run)
    same, other = Agent(id="same", devices=frozenset({"h/cpu"})), Agent(id="other", devices=frozenset({"k/cpu"}))
    held = held_devices([busy, same, other])
    assert lease_conflict(same, held) == "job r holds device h/cpu"
    assert lease_conflict(busy, held) == "agent busy runs job r"
    assert lease_conflict(other, held) == ""


def test_agents_of_like_calibration_share_a_tier() -> None:
    times = {"a": 10.0, "b": 12.0, "c": 12.6, "d": 40.0}
    assert tiers(times, spread=0.25) == {"a": 0, "b": 0, "c": 1, "d": 2}
    assert speeds(times) == pytest.approx({"a": 1.2, "b": 1.0, "c": 12 / 12.6, "d": 0.3})
    with pytest.raises(ValueError, match="agent x: a calibration of 0 s"):
        tiers({"x": 0.0})


def test_an_experiment_gets_the_tier_covered_least() -> None:
    agents = [Agent(id="a", tier=0), Agent(id="b", tier=1), Agent(id="c", tier=2, quarantined_until=99)]
    found = choose_tier(job(1), agents, {0: 5, 1: 2}, now=0)
    assert found.tier == 1
    assert "covered least (2), of 2" in found.reason
    assert choose_tier(job(1), agents, {0: 5, 1: 2}, now=99).tier == 2
    assert choose_tier(job(1, needs=frozenset({"gpu"})), agents, {}, now=0).tier is None


def test_repeat_offenders_are_quarantined_and_released() -> None:
    rules, conduct = ConductRules(strikes=2, window_s=100, first_s=60, longest_s=100), Conduct()
    assert conduct.after_failure(0, rules).after_failure(100, rules).reason(100) == "", "too long apart"
    conduct = conduct.after_failure(0, rules).after_failure(10, rules)
    assert conduct.quarantined_until == 70
    assert "quarantined for another 60 s" in conduct.reason(10)
    assert conduct.reason(70) == ""
    again = conduct.after_failure(70, rules).after_failure(71, rules)
    assert again.quarantined_until == 171, "twice as long, at most 100 s"
    forgiven = conduct.after_failure(70, rules).after_success()
    assert forgiven.offences == 0
    assert forgiven.failed_at == ()


def test_an_agent_that_asks_gets_its_own_job_before_those_of_others() -> None:
    agents = {name: Agent(id=name) for name in ("a", "b")}
    queue = [job(1, 5, agent_id="a"), job(2, 1, agent_id="b")]
    assert [next_job(agents[name], agents, queue, now=0, rules=OrderRules()).job for name in agents] == queue
    assert next_job(agents["a"], agents, queue[1:], now=0, rules=OrderRules()).job == queue[1]
    none = next_job(agents["a"], agents, queue[1:], now=0, rules=OrderRules(), taking_over=False)
    assert none.job is None
    assert none.reason == "no job waits for it"


def test_an_agent_in_quarantine_or_without_its_devices_gets_nothing() -> None:
    run = RunningJob(id="r", estimate_s=9, started_at=0)
    bad = Agent(id="bad", quarantined_until=60)
    agents = {
        "bad": bad,
        "busy": Agent(id="busy", devices=frozenset({"h/cpu"}), running=run),
        "free": Agent(id="free", devices=frozenset({"h/cpu"})),
    }
    queue = [job(1, agent_id="bad"), job(2, agent_id="free")]
    found = next_job(bad, agents, queue, now=0, rules=OrderRules())
    assert (found.job, found.reason) == (None, "agent bad is quarantined for another 60 s")
    found = next_job(agents["free"], agents, queue, now=0, rules=OrderRules())
    assert (found.job, found.reason) == (None, "job r holds device h/cpu")


def test_a_waiting_job_says_what_is_ahead_and_when_it_starts_at_the_latest() -> None:
    agents = {"a": Agent(id="a", speed=2, running=RunningJob(id="r", estimate_s=20, started_at=0))}
    queue = [job(1, 30, agent_id="a"), job(2, 1, agent_id="a", at=4), job(3, agent_id="gone"), job(4)]
    # At 4 the running job has 6 s left and job 1 takes 15 s: in turn it waits 21 s, at most 63 s.
    why = why_waiting(queue[1], agents, queue, now=4, rules=OrderRules())
    assert "agent a runs job r; 1 came before it, about 21 s of work; starts within 63 s" in why
    assert why_waiting(queue[2], agents, queue, now=4, rules=OrderRules()) == "waited 4 s: agent gone is gone"
    assert "it is placed on no agent" in why_waiting(queue[3], agents, queue, now=4, rules=OrderRules())
    needy = job(5, agent_id="a", needs=frozenset({"gpu"}))
    assert "which does not offer gpu" in why_waiting(needy, agents, queue, now=4, rules=OrderRules())


@pytest.mark.parametrize("size", [0.0, -1.0, math.inf, math.nan])
def test_sizes_and_speeds_must_be_real(size: float) -> None:
    with pytest.raises(ValueError, match="above 0 and finite"):
        job(1, size)
    with pytest.raises(ValueError, match="above 0 and finite"):
        Agent(id="a", speed=size)


def test_an_agent_that_is_away_gets_nothing_and_loses_what_waits() -> None:
    away, here = Agent(id="away", away="drains"), Agent(id="here", speed=0.1)
    agents = {agent.id: agent for agent in (away, here)}
    assert (
        place(job(1), [away, here], backlogs([away, here], [], now=0), measure=Measure.JOBS, now=0).agent_id == "here"
    )
    waiting = [job(1, agent_id="away")]
    taken = take_over(here, agents, waiting, backlogs(agents.values(), waiting, now=0), now=0, rules=OrderRules())
    assert taken is not None, "slow as it is"
    assert "agent away, which drains" in why_waiting(waiting[0], agents, waiting, now=0, rules=OrderRules())


def test_slots_share_what_is_ahead_but_not_the_job_itself() -> None:
    wide, fast = Agent(id="wide", slots=4), Agent(id="fast", speed=2.0)
    before = backlogs([wide, fast], [job(1, 8, agent_id="wide"), job(2, 8, agent_id="fast")], now=0)
    assert place(job(3, 10), [wide, fast], before, measure=Measure.WORK, now=0).agent_id == "fast", (
        "2 + 10 > (8 + 10) / 2"
    )
    assert place(job(3, 1), [wide, fast], before, measure=Measure.WORK, now=0).agent_id == "wide", "2 + 1 < (8 + 1) / 2"


def test_a_job_that_measures_nothing_runs_beside_one_that_does() -> None:
    running = RunningJob(id="r", estimate_s=9, started_at=0)
    busy = Agent(id="a", devices=frozenset({"h/cpu0"}), running=running)
    asks = Agent(id="b", devices=frozenset({"h/cpu0"}))
    agents = {agent.id: agent for agent in (busy, asks)}
    waiting = [job(1, agent_id="b"), job(2, 5, agent_id="b", exclusive=False)]
    found = next_job(asks, agents, waiting, now=0, rules=OrderRules())
    assert found.job is not None
    assert found.job.id == "j2"
    assert next_job(asks, agents, waiting[:1], now=0, rules=OrderRules()).reason == "job r holds device h/cpu0"
    harmless = {
        **agents,
        "a": Agent(
            id="a", devices=busy.devices, running=RunningJob(id="r", estimate_s=9, started_at=0, exclusive=False)
        ),
    }
    first = next_job(asks, harmless, waiting, now=0, rules=OrderRules()).job
    assert first is not None
    assert first.id == "j1"


def test_host_classes_are_tiered_by_what_they_can_do() -> None:
    found = class_tiers({"a": 100.0, "b": 85.0, "c": 50.0, "unknown": None, "another": None})
    assert (found["a"], found["b"], found["c"]) == (0, 0, 1)
    assert {found["another"], found["unknown"]} == {2, 3}
    assert class_tiers({}) == {}

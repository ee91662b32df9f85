"""What the order on an agent promises whatever comes: the limit of waits, every job once, no idle agent, no chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from msearch_scheduling.ordering import OrderRules, choose_next, overtaken_by
from msearch_scheduling.placement import Measure
from msearch_scheduling.simulator import Scenario, Settings, Sizes, Workload, draw, simulate_policy
from msearch_scheduling.work import Agent, WaitingJob

sizes = st.floats(0.01, 100)
gaps = st.floats(0, 50)
workloads = st.lists(st.tuples(gaps, sizes), min_size=1, max_size=40).map(
    lambda rows: Workload(
        np.cumsum([gap for gap, _ in rows]),
        np.array([size for _, size in rows]),
        np.array([size for _, size in rows]),
        tuple(f"user-{number % 2}" for number in range(len(rows))),
    )
)
speeds = st.lists(st.sampled_from([0.25, 0.5, 1.0, 2.0]), min_size=1, max_size=4).map(tuple)
scenarios = st.builds(
    Scenario,
    sizes=st.sampled_from(Sizes),
    load=st.sampled_from([None, 0.5, 0.9, 1.5]),
    jobs=st.integers(1, 40),
    speeds=speeds,
    sigma=st.sampled_from([0.0, 1.0]),
    users=st.integers(1, 3),
)
policies = st.builds(
    Settings,
    rules=st.builds(OrderRules, ageing=st.floats(0, 1), wait_limit=st.floats(1, 5)),
    measure=st.sampled_from([None, *Measure]),
    taking_over=st.booleans(),
)


@given(workload=workloads, speeds=speeds, policy=policies)
@settings(deadline=None)
def test_no_job_waits_longer_than_the_limit_times_its_turn(
    workload: Workload, speeds: tuple[float, ...], policy: Settings
) -> None:
    outcome = simulate_policy(workload, speeds, policy)
    waits = outcome.schedule.started - workload.arrivals
    assert (waits <= policy.rules.wait_limit * outcome.in_turn * (1 + 1e-9) + 1e-6).all()


@given(workload=workloads, speeds=speeds)
@settings(deadline=None)
def test_a_limit_of_one_serves_in_order_of_arrival(workload: Workload, speeds: tuple[float, ...]) -> None:
    outcome = simulate_policy(workload, speeds, Settings(rules=OrderRules(wait_limit=1.0), taking_over=False))
    for agent in range(len(speeds)):
        assert (np.diff(outcome.schedule.started[outcome.schedule.agents == agent]) >= 0).all()


@given(scenario=scenarios, seed=st.integers(0, 1000), policy=policies)
@settings(deadline=None)
def test_every_job_runs_once_and_agents_one_job_at_a_time(scenario: Scenario, seed: int, policy: Settings) -> None:
    workload = draw(scenario, seed)
    schedule = simulate_policy(workload, scenario.speeds, policy).schedule
    assert (schedule.started >= workload.arrivals).all()
    lengths = workload.sizes / np.array(scenario.speeds)[schedule.agents]
    np.testing.assert_allclose(schedule.finished - schedule.started, lengths, rtol=1e-9, atol=1e-9)
    for agent in range(len(scenario.speeds)):
        mine = schedule.agents == agent
        order = np.argsort(schedule.started[mine], kind="stable")
        assert (schedule.started[mine][order][1:] >= schedule.finished[mine][order][:-1]).all()


@given(scenario=scenarios, seed=st.integers(0, 1000), rules=policies)
@settings(deadline=None)
def test_no_agent_of_like_speed_idles_while_a_job_waits(scenario: Scenario, seed: int, rules: Settings) -> None:
    scenario = replace(scenario, speeds=(1.0,) * len(scenario.speeds))
    workload = draw(scenario, seed)
    schedule = simulate_policy(workload, scenario.speeds, replace(rules, taking_over=True)).schedule
    for arrival, start in zip(workload.arrivals, schedule.started, strict=True):
        if start - arrival < 1e-9:
            continue
        # Agents take jobs only when one comes or ends, so the middle between two such moments stands for all.
        moments = np.unique(np.concatenate([workload.arrivals, schedule.finished, [arrival, start]]))
        moments = moments[(moments >= arrival) & (moments <= start)]
        for moment in ((moments[1:] + moments[:-1]) / 2)[np.diff(moments) > 1e-9]:
            busy = ((schedule.started <= moment) & (schedule.finished > moment)).sum()
            assert busy == len(scenario.speeds)


@given(scenario=scenarios, seed=st.integers(0, 1000), policy=policies)
@settings(deadline=None)
def test_a_seed_gives_the_same_schedule_again(scenario: Scenario, seed: int, policy: Settings) -> None:
    first, second = (simulate_policy(draw(scenario, seed), scenario.speeds, policy) for _ in range(2))
    np.testing.assert_array_equal(first.schedule.started, second.schedule.started)
    np.testing.assert_array_equal(first.schedule.agents, second.schedule.agents)


@given(jobs=st.lists(st.tuples(gaps, sizes, st.integers(0, 2)), min_size=1, max_size=25), limit=st.floats(1, 4))
@settings(deadline=None)
def test_priorities_go_first_and_the_limit_holds_among_them(
    jobs: Sequence[tuple[float, float, int]], limit: float
) -> None:
    """One agent by hand: what jobs behind a job took of its time is at most (limit - 1) times what those ahead take."""
    agent, rules = Agent(id="a"), OrderRules(wait_limit=limit)
    arrivals = np.cumsum([gap for gap, _, _ in jobs])
    coming = [
        WaitingJob(id=str(n), number=n, estimate_s=size, submitted_at=float(arrivals[n]), priority=priority)
        for n, (_, size, priority) in enumerate(jobs)
    ]
    now, waiting = 0.0, list[WaitingJob]()
    for _ in jobs:
        if not waiting and coming:
            now = max(now, coming[0].submitted_at)
        while coming and coming[0].submitted_at <= now:
            waiting.append(coming.pop(0))
        choice = choose_next(agent, waiting, now=now, rules=rules)
        assert choice is not None
        assert choice.reason
        job = choice.job
        assert job.priority == max(other.priority for other in waiting)
        ahead = sum(other.estimate_s for other in waiting if other.turn < job.turn)
        in_turn = now - job.submitted_at - job.overtaken_s + ahead
        assert job.overtaken_s <= (limit - 1) * in_turn + 1e-6
        waiting.remove(job)
        end = now + job.estimate_s
        hit = overtaken_by(job, waiting, started_at=now)
        waiting = [replace(o, overtaken_s=o.overtaken_s + job.estimate_s) if o.id in hit else o for o in waiting]
        now = end
    assert not waiting
    assert not coming

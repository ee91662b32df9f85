"""Runs a workload through the policy, event by event: a job comes, a job ends.

Every decision is made by the functions that the service calls: `place`, `next_job`, `Trust`.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from msearch_scheduling.dispatch import next_job
from msearch_scheduling.fairness import Usage, shares
from msearch_scheduling.ordering import OrderRules, overtaken_by
from msearch_scheduling.placement import Measure, backlogs, place
from msearch_scheduling.simulator.baseline import Schedule
from msearch_scheduling.simulator.workload import Workload
from msearch_scheduling.trust import Trust
from msearch_scheduling.work import Agent, RunningJob, WaitingJob

ARRIVES, ENDS = 1, 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How the policy is set.

    Args:
        rules: of the order; its `caution` is replaced by what Trust says where that exceeds it.
        measure: what placement compares; None lets Trust decide, from what has ended so far.
        taking_over: whether idle agents take jobs of others. Without it, tier 1 binds.
        trust: how it begins.
    """

    rules: OrderRules = field(default_factory=OrderRules)
    measure: Measure | None = None
    taking_over: bool = True
    trust: Trust = field(default_factory=Trust)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it.

    `schedule` is as of the baselines. `in_turn` is, by job, how long it would have waited from its arrival on if its
    agent had then served in order of arrival: the true work that it found there, float64[n] in seconds. `taken_over`
    counts jobs that ran elsewhere than where they were placed.
    """

    schedule: Schedule
    in_turn: NDArray[np.float64]
    taken_over: int


@dataclass(slots=True)
class _Run:
    """The state of one simulated run."""

    workload: Workload
    settings: Settings
    agents: dict[str, Agent]
    numbers: dict[str, int]
    trust: Trust
    waiting: dict[str, WaitingJob] = field(default_factory=dict)
    events: list[tuple[float, int, int, str]] = field(default_factory=list)
    ends: dict[str, float] = field(default_factory=dict)
    used: dict[str, Usage] = field(default_factory=dict)
    taken_over: int = 0


def simulate_policy(workload: Workload, speeds: tuple[float, ...], settings: Settings) -> Outcome:
    """Runs the jobs on agents of those speeds."""
    agents = {f"agent-{number}": Agent(id=f"agent-{number}", speed=speed) for number, speed in enumerate(speeds)}
    run = _Run(workload, settings, agents, {name: number for number, name in enumerate(agents)}, settings.trust)
    count = len(workload.sizes)
    started, finished, where, in_turn = (np.zeros(count) for _ in range(4))
    run.events = [(float(time), ARRIVES, number, "") for number, time in enumerate(workload.arrivals)]
    heapq.heapify(run.events)
    while run.events:
        now, kind, number, name = heapq.heappop(run.events)
        if kind == ARRIVES:
            in_turn[number] = _arrive(run, number, now)
        else:
            _end(run, number, name, now, float(started[number]))
        for agent_name in [name for name, agent in run.agents.items() if agent.running is None]:
            job = _next(run, agent_name, now)
            if job is None:
                continue
            agent = run.agents[agent_name]
            del run.waiting[job.id]
            run.taken_over += job.agent_id != agent_name
            end = now + float(workload.sizes[job.number]) / agent.speed
            started[job.number], finished[job.number], where[job.number] = now, end, run.numbers[agent_name]
            run.ends[agent_name] = end
            run.agents[agent_name] = replace(
                agent, running=RunningJob(id=job.id, estimate_s=job.estimate_s, started_at=now)
            )
            heapq.heappush(run.events, (end, ENDS, job.number, agent_name))
    return Outcome(Schedule(started, finished, where.astype(np.int64)), in_turn, run.taken_over)


def _arrive(run: _Run, number: int, now: float) -> float:
    """Places a new job, and gives the true work before it where it is placed, in seconds there."""
    job = WaitingJob(
        id=f"job-{number}",
        number=number,
        estimate_s=float(run.workload.estimates[number]),
        submitted_at=now,
        user=run.workload.users[number],
    )
    agents = list(run.agents.values())
    before = backlogs(agents, run.waiting.values(), now=now)
    placement = place(job, agents, before, measure=run.settings.measure or run.trust.measure, now=now)
    agent = run.agents[placement.agent_id]
    queued = sum(float(run.workload.sizes[other.number]) for other in _queue(run, agent.id)) / agent.speed
    run.waiting[job.id] = replace(job, agent_id=agent.id)
    return queued + (run.ends[agent.id] - now if agent.running is not None else 0.0)


def _end(run: _Run, number: int, agent_name: str, now: float, started: float) -> None:
    """Frees the agent and keeps the accounts."""
    agent = run.agents[agent_name]
    run.agents[agent_name] = replace(agent, running=None)
    estimate, user = float(run.workload.estimates[number]), run.workload.users[number]
    run.trust = run.trust.after(estimate_s=estimate, actual_s=(now - started) * agent.speed)
    run.used[user] = run.used.get(user, Usage()).after(now - started, now=now)
    ended = WaitingJob(id=f"job-{number}", number=number, estimate_s=estimate, submitted_at=0.0)
    for overtaken in overtaken_by(ended, _queue(run, agent_name), started_at=started):
        job = run.waiting[overtaken]
        run.waiting[overtaken] = replace(job, overtaken_s=job.overtaken_s + now - started)


def _next(run: _Run, agent_name: str, now: float) -> WaitingJob | None:
    """What an idle agent runs next: of its own, or of others."""
    agent, rules = run.agents[agent_name], run.settings.rules
    if not run.waiting:
        return None
    if run.trust.record.count and run.trust.caution > rules.caution:
        rules = replace(rules, caution=run.trust.caution)
    users = {job.user for job in run.waiting.values()}
    weights = None
    if len(users) > 1:
        weights = shares({user: usage.faded(now) for user, usage in run.used.items()}, users, grain_s=1.0)
    decision = next_job(
        agent,
        run.agents,
        list(run.waiting.values()),
        now=now,
        rules=rules,
        shares=weights,
        taking_over=run.settings.taking_over,
    )
    return decision.job


def _queue(run: _Run, agent_name: str) -> list[WaitingJob]:
    return [job for job in run.waiting.values() if job.agent_id == agent_name]

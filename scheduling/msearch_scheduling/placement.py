"""Tier 1: on which agent a new job waits.

Where sizes can be trusted: the agent on which it would be finished first if everything ran in order of arrival, that is
the one with the least estimated remaining work, speed-corrected. Where the size predictor's error is high: the one with
the fewest jobs, speed-corrected (trust.py says when).

An agent that runs out of jobs takes one that waits for another (`take_over`), if it would be done sooner here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from msearch_scheduling.work import Agent, WaitingJob, format_seconds


class Measure(StrEnum):
    """What placement compares."""

    WORK = "work"
    JOBS = "jobs"


@dataclass(slots=True)
class Backlog:
    """What waits for an agent or runs on it: jobs, and their estimated remaining work in seconds at speed 1."""

    jobs: int = 0
    work_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where a job goes, and why there; `agent_id` is "" where no agent can take it."""

    agent_id: str
    reason: str


def obstacle(job: WaitingJob, agent: Agent, *, now: float) -> str:
    """Why the job cannot wait for that agent; "" where it can."""
    if not job.needs <= agent.offers:
        return f"does not offer {', '.join(sorted(job.needs - agent.offers))}"
    if agent.away:
        return agent.away
    if job.tier is not None and job.tier != agent.tier:
        return f"is of tier {agent.tier}, and experiment {job.experiment or '(none)'} is measured in tier {job.tier}"
    if agent.quarantined_until > now:
        return f"is quarantined for another {format_seconds(agent.quarantined_until - now)}"
    return ""


def remaining(agent: Agent, *, now: float) -> float:
    """Estimated remaining work of what the agent runs, in seconds at speed 1; 0 once it exceeds its estimate."""
    run = agent.running
    return 0.0 if run is None else max(0.0, run.estimate_s - (now - run.started_at) * agent.speed)


def backlogs(agents: Iterable[Agent], waiting: Iterable[WaitingJob], *, now: float) -> dict[str, Backlog]:
    """What each agent has before it, by its id. Jobs placed nowhere, or on an agent that is gone, do not count."""
    found = {agent.id: Backlog(int(agent.running is not None), remaining(agent, now=now)) for agent in agents}
    for job in waiting:
        backlog = found.get(job.agent_id)
        if backlog is not None:
            backlog.jobs += 1
            backlog.work_s += job.estimate_s
    return found


def place(
    job: WaitingJob, agents: Sequence[Agent], before: Mapping[str, Backlog], *, measure: Measure, now: float
) -> Placement:
    """The agent that a job is to wait for. Of equals the first in `agents`.

    Args:
        job: the new job.
        agents: all there are.
        before: what `backlogs` gave; the caller may keep it up to date instead.
        measure: what to compare, see trust.Trust.
        now: in the clock of the jobs.
    """
    best: Agent | None = None
    best_cost = float("inf")
    able = 0
    for agent in agents:
        if obstacle(job, agent, now=now):
            continue
        able += 1
        cost = _cost(job, agent, before[agent.id], measure)
        if cost < best_cost:
            best, best_cost = agent, cost
    if best is None:
        return Placement(agent_id="", reason=_why_none(job, agents, now))
    backlog = before[best.id]
    speed = "" if best.speed == 1 else f" at speed {best.speed:.3g}"
    if measure is Measure.WORK:
        work = format_seconds(best.seconds_for(backlog.work_s / best.slots))
        what = f"least estimated remaining work, {work}{speed}"
    else:
        what = f"fewest jobs, {backlog.jobs}{speed}, since estimates of sizes are not trusted"
    return Placement(agent_id=best.id, reason=f"agent {best.id} has the {what}, of {able} that can take it")


def _cost(job: WaitingJob, agent: Agent, before: Backlog, measure: Measure) -> float:
    """When it would be finished: in seconds, or in jobs of average size."""
    ahead, own = (before.work_s, job.estimate_s) if measure is Measure.WORK else (before.jobs, 1)
    return (ahead / agent.slots + own) / agent.speed


def _why_none(job: WaitingJob, agents: Sequence[Agent], now: float) -> str:
    if not agents:
        return "no agent is registered"
    reasons: dict[str, list[str]] = {}
    for agent in agents:
        reasons.setdefault(obstacle(job, agent, now=now), []).append(agent.id)
    parts = []
    for reason, names in sorted(reasons.items(), key=lambda item: -len(item[1])):
        more = f" and {len(names) - 2} more" if len(names) > 2 else ""
        parts.append(f"{', '.join(names[:2])}{more} {reason}")
    return f"none of {len(agents)} agents can take it: {'; '.join(parts)}"

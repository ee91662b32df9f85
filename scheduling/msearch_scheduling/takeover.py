"""An agent without jobs of its own takes one that waits for another agent.

It takes the job of the least score, as if all were its own, among those that it would finish sooner than the agent they
wait for is expected to. Agents of one speed thus never idle while a job that they could run waits. A slow agent may
idle rather than hold a job up. Nobody's wait grows: the queue it leaves becomes shorter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msearch_scheduling.ordering import Choice, OrderRules
from msearch_scheduling.placement import Backlog, obstacle, remaining
from msearch_scheduling.work import Agent, WaitingJob, format_seconds


def take_over(
    agent: Agent,
    agents: Mapping[str, Agent],
    waiting: Sequence[WaitingJob],
    before: Mapping[str, Backlog],
    *,
    now: float,
    rules: OrderRules,
    shares: Mapping[str, float] | None = None,
) -> Choice | None:
    """The job of another agent, or of none, that this idle agent does best to take; None where waiting is better.

    Args:
        agent: who asks, idle and with nothing placed on it.
        agents: all agents by id, this one too.
        waiting: all jobs that wait, wherever they are placed.
        before: what `placement.backlogs` gave for them.
        now: in the clock of the jobs.
        rules: see OrderRules.
        shares: by user, see `fairness.shares`.
    """
    best: WaitingJob | None = None
    best_key: tuple[float, float, int] | None = None
    for job in waiting:
        size = job.estimate_s / agent.speed
        weighted = size * shares.get(job.user, 1.0) if shares else size
        key = (-job.priority, weighted - rules.ageing * job.waited(now), job.number)
        if best_key is not None and key >= best_key:
            continue
        if obstacle(job, agent, now=now) or not _sooner_here(job, size, agents.get(job.agent_id), before, now):
            continue
        best, best_key = job, key
    if best is None:
        return None
    where = f"waited for agent {best.agent_id}" if best.agent_id else "was placed on no agent"
    size_text = format_seconds(agent.seconds_for(best.estimate_s))
    return Choice(job=best, reason=f"agent {agent.id} is idle and finishes it sooner, in {size_text}; it {where}")


def _sooner_here(job: WaitingJob, size: float, other: Agent | None, before: Mapping[str, Backlog], now: float) -> bool:
    """Whether an idle agent needs less time than the other will, which first ends what it runs."""
    if other is None or other.away or other.quarantined_until > now or other.id not in before:
        return True
    return size <= (remaining(other, now=now) / other.slots + job.estimate_s) / other.speed

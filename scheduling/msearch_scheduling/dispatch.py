"""What an agent that asks for work gets, and why a job still waits: the policy's modules put together.

Reading and writing the state is for the caller. In a database, one transaction reads agents and waiting jobs, calls
`next_job`, and writes the lease.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from msearch_scheduling.leases import held_devices, lease_conflict
from msearch_scheduling.ordering import OrderRules, choose_next
from msearch_scheduling.placement import backlogs, obstacle, remaining
from msearch_scheduling.takeover import take_over
from msearch_scheduling.work import Agent, WaitingJob, format_seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The job that an agent gets, or None, and why."""

    job: WaitingJob | None
    reason: str


def next_job(
    agent: Agent,
    agents: Mapping[str, Agent],
    waiting: Sequence[WaitingJob],
    *,
    now: float,
    rules: OrderRules,
    shares: Mapping[str, float] | None = None,
    taking_over: bool = True,
) -> Decision:
    """What the agent runs next: one of its own jobs, else one that waits for another.

    Args:
        agent: who asks.
        agents: all agents by id, this one too.
        waiting: all jobs that wait, wherever they are placed.
        now: in the clock of the jobs.
        rules: see OrderRules; its `caution` from trust.Trust.
        shares: by user, see `fairness.shares`.
        taking_over: whether it may take jobs of others.
    """
    if agent.quarantined_until > now:
        left = format_seconds(agent.quarantined_until - now)
        return Decision(job=None, reason=f"agent {agent.id} is quarantined for another {left}")
    held = held_devices(agents.values())
    conflict = lease_conflict(agent, held)
    if conflict:
        waiting = [job for job in waiting if not lease_conflict(agent, held, exclusive=job.exclusive)]
        if not waiting:
            return Decision(job=None, reason=conflict)
    own = [job for job in waiting if job.agent_id == agent.id and not obstacle(job, agent, now=now)]
    choice = choose_next(agent, own, now=now, rules=rules, shares=shares)
    if choice is None and taking_over:
        before = backlogs(agents.values(), waiting, now=now)
        choice = take_over(agent, agents, waiting, before, now=now, rules=rules, shares=shares)
    if choice is not None:
        return Decision(job=choice.job, reason=choice.reason)
    held_up = "that it can take and would end sooner" if taking_over else "for it"
    return Decision(job=None, reason=f"no job waits {held_up}")


def why_waiting(
    job: WaitingJob, agents: Mapping[str, Agent], waiting: Sequence[WaitingJob], *, now: float, rules: OrderRules
) -> str:
    """Why a job that waits does not run yet, in words: what its agent does, what is ahead, and the latest start.

    The latest start is what the limit of waits promises if estimates hold.
    """
    agent = agents.get(job.agent_id)
    waited_s = job.waited(now)
    waited = format_seconds(waited_s)
    if agent is None:
        gone = f"agent {job.agent_id} is gone" if job.agent_id else "it is placed on no agent"
        return f"waited {waited}: {gone}"
    problem = obstacle(job, agent, now=now)
    if problem:
        return f"waited {waited} for agent {agent.id}, which {problem}"
    conflict = lease_conflict(agent, held_devices(agents.values()), exclusive=job.exclusive)
    ahead = [other for other in waiting if other.agent_id == agent.id and other.turn < job.turn]
    work = agent.seconds_for(sum(other.estimate_s for other in ahead) + remaining(agent, now=now))
    in_turn = waited_s - job.overtaken_s + work
    left = max(0.0, rules.wait_limit * in_turn - waited_s)
    parts = [f"waited {waited} for agent {agent.id}", conflict or "it can start when the agent asks"]
    parts.append(f"{len(ahead)} came before it, about {format_seconds(work)} of work")
    if job.overtaken_s:
        parts.append(f"jobs that came later have run for {format_seconds(job.overtaken_s)}")
    parts.append(f"starts within {format_seconds(left)} if estimates hold")
    return "; ".join(parts)

"""Tier 2: which of its jobs an agent runs next.

Among the jobs of the highest priority the one with the least score goes first (shortest job first with ageing):

    score = size x share - ageing x waited

`size` is in seconds on this agent, `share` is above 1 for a user who has had more than others (fairness.py).
A job may go before older ones only while each of those still keeps the promise that it waits at most `wait_limit` times
as long as first come, first served would have made it wait. Write, for a job i on its agent,

    A  time spent so far on jobs ahead of it in the order of arrival, with the rest of what ran when it came
    O  time spent so far on jobs behind it (`overtaken_s`), so that it has waited A + O
    R  time that the jobs ahead of it which still wait will take

First come, first served makes it wait V = A + R, this rule V + O. So k may overtake i if O + size(k) <= (limit - 1) V.

Why it always works: the oldest job overtakes nobody, so there is always a job to run, and running it moves time from R
to A and changes neither V nor O. A job that comes later stands behind and changes no V. A job that leaves for another
agent, or is cancelled, makes R and so V smaller, but the wait as well, and V only counts in the next decision: O was at
most (limit - 1) times a V not above the one at arrival. So O <= (limit - 1) V holds at all times, and every job starts
after at most limit x V. With sizes that are not known exactly the rule uses times as they really were for what has run
(A and O), and estimates for the rest; `caution` widens those.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from msearch_scheduling.work import Agent, WaitingJob, format_seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRules:
    """How jobs are ordered on an agent.

    Args:
        ageing: seconds that a second of waiting takes off the score; 0 for none.
        wait_limit: how many times its first-come-first-served wait a job may wait; 1 gives first come, first served.
        caution: at least 1; what could overtake counts as that much longer, what is ahead as that much shorter.
    """

    ageing: float = 0.02
    wait_limit: float = 3.0
    caution: float = 1.0

    def __post_init__(self) -> None:
        if self.ageing < 0 or self.wait_limit < 1 or self.caution < 1:
            raise ValueError(
                f"ageing {self.ageing:g} must be at least 0, wait_limit {self.wait_limit:g} and "
                f"caution {self.caution:g} at least 1"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The job to run next, and why that one."""

    job: WaitingJob
    reason: str


def choose_next(
    agent: Agent,
    waiting: Sequence[WaitingJob],
    *,
    now: float,
    rules: OrderRules,
    shares: Mapping[str, float] | None = None,
) -> Choice | None:
    """The job that the agent runs next of those that wait for it; None where none does.

    Args:
        agent: who asks.
        waiting: the jobs placed on it, in any order; it can run every one of them.
        now: in the clock of the jobs.
        rules: see OrderRules.
        shares: by user, at least 1; see `fairness.shares`.
    """
    if not waiting:
        return None
    queue = sorted(waiting, key=lambda job: job.turn)
    first = queue[0]
    extra, speed, ageing, caution = rules.wait_limit - 1, agent.speed, rules.ageing, rules.caution
    best, best_score, shortest_score = first, float("inf"), float("inf")
    slack, ahead, held_by = float("inf"), 0.0, first
    blocked: WaitingJob | None = None
    guard = first
    contenders = 0
    for job in queue:
        if job.priority != first.priority:
            break
        contenders += 1
        size = job.estimate_s / speed
        waited = job.waited(now)
        score = (size * shares.get(job.user, 1.0) if shares else size) - ageing * waited
        allowed = size * caution <= slack
        if score < shortest_score and not allowed:
            shortest_score, blocked, guard = score, job, held_by
        if allowed and score < best_score:
            best, best_score = job, score
        overtaken = job.overtaken_s
        own = extra * (waited - overtaken + ahead / caution) - overtaken
        if own < slack:
            slack, held_by = own, job
        ahead += size
    if blocked is not None and best_score <= shortest_score:
        blocked = None
    share = shares.get(best.user, 1.0) if shares else 1.0
    return Choice(
        job=best,
        reason=_reason(
            best,
            agent,
            now=now,
            first=first,
            contenders=contenders,
            others=len(queue) - contenders,
            share=share,
            blocked=blocked,
            guard=guard,
            rules=rules,
        ),
    )


def _reason(
    job: WaitingJob,
    agent: Agent,
    *,
    now: float,
    first: WaitingJob,
    contenders: int,
    others: int,
    share: float,
    blocked: WaitingJob | None,
    guard: WaitingJob,
    rules: OrderRules,
) -> str:
    size, waited = format_seconds(agent.seconds_for(job.estimate_s)), format_seconds(job.waited(now))
    if contenders == 1:
        text = f"the only job that waits for agent {agent.id}"
    elif blocked is not None:
        text = (
            f"estimated at {size}, waited {waited}; job {blocked.id} is shorter, but job {guard.id} would then wait "
            f"more than {rules.wait_limit:g} times as long as in order of arrival"
        )
    else:
        text = f"shortest of {contenders} after ageing: estimated at {size}, waited {waited}"
        if job is not first:
            text += f"; goes before job {first.id}, which came first"
    if share > 1:
        text += f"; counts {share:.3g} times as long, since user {job.user} had more than others"
    if others:
        text += f"; {others} of lower priority than {job.priority} wait behind"
    return text


def overtaken_by(job: WaitingJob, waiting: Sequence[WaitingJob], *, started_at: float) -> frozenset[str]:
    """Which of the jobs that still wait for an agent were overtaken by `job`, which ran on it from `started_at`.

    Its running time is to be added to their `overtaken_s` when it ends.
    """
    return frozenset(other.id for other in waiting if other.turn < job.turn and other.submitted_at <= started_at)

"""Why a job waits, or went where it did: what the policy says now, and what it decided."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from msearch_scheduling.dispatch import why_waiting
from msearch_scheduling.work import format_seconds
from search_service.domain.jobs import Decision, Job, JobState, Step
from search_service.domain.ports import UnitOfWork
from search_service.usecases.dispatching import order_rules, user_shares
from search_service.usecases.fleet import Fleet, read_fleet
from search_service.usecases.profiling import Profiling


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why a job stands where it does.

    `why` is about now; `decisions` are those that were taken, oldest first, with the names of agents; `sizes` says how
    far estimates are trusted.
    """

    why: str
    decisions: Sequence[Decision]
    sizes: str


def explain_job(profiling: Profiling, job_id: str) -> Explanation:
    """Raises NotFound (JOB_NOT_FOUND)."""
    with profiling.database.begin() as unit:
        job = unit.jobs.get(job_id)
        fleet = read_fleet(profiling, unit)
        why = _why_pending(profiling, unit, job, fleet) if job.state is JobState.PENDING else _why_not(job, fleet)
        sizes = unit.scheduling.learned().trust.reason
    named = tuple(
        replace(decision, agent_id=fleet.name(decision.agent_id) if decision.agent_id else "")
        for decision in job.decisions
    )
    return Explanation(why=why, decisions=named, sizes=sizes)


def _why_pending(profiling: Profiling, unit: UnitOfWork, job: Job, fleet: Fleet) -> str:
    own = replace(fleet.new(job), agent_id=fleet.name(job.placed_on) if job.placed_on else "")
    if not job.placed_on:
        waited = format_seconds(own.waited(fleet.now))
        last = job.decisions[-1].reason if job.decisions else "nothing was decided yet"
        return f"waited {waited} for an agent: {last}"
    queue = [fleet.waiting(queued) for queued in unit.queue.placed_on(job.placed_on)]
    found = next((waiting for waiting in queue if waiting.id == job.id), own)
    text = why_waiting(found, fleet.agents, queue, now=fleet.now, rules=order_rules(profiling, unit))
    share = (user_shares(unit, queue, fleet.now) or {}).get(job.submitted_by, 1.0)
    if share > 1:
        text += f"; counts {share:.3g} times as long, since user {job.submitted_by} had more than others"
    return text


def _why_not(job: Job, fleet: Fleet) -> str:
    agent = fleet.name(job.agent_id)
    if job.state is JobState.CANCELLED and not job.agent_id:
        return "it was cancelled while it waited"
    given = next((decision for decision in reversed(job.decisions) if decision.step is Step.LEASED), None)
    verb = "has it" if job.state is JobState.LEASED else "had it"
    return f"agent {agent} {verb}" + (f": {given.reason}" if given is not None else "")

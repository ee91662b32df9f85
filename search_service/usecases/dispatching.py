"""Tier 2 of scheduling: the job that an agent gets when it asks.

What the policy sees is read without locks; what must hold whatever others do meanwhile is checked again once the agent
is locked: that it may hold one job more, that nobody else measures on its devices, and that the job still waits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from msearch_scheduling.dispatch import Decision, next_job
from msearch_scheduling.fairness import shares
from msearch_scheduling.ordering import OrderRules
from msearch_scheduling.work import WaitingJob
from search_service.domain.jobs import Job
from search_service.domain.ports import UnitOfWork
from search_service.domain.profiling import Agent
from search_service.domain.scheduling import Queued, offers_of
from search_service.usecases.fleet import Fleet, read_fleet
from search_service.usecases.profiling import Profiling

MOST_CANDIDATES = 128
"""Of the jobs of others, those that an agent without jobs of its own looks at."""

MOST_TRIES = 8
"""How often another job is tried where others have just taken the one chosen."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What an agent that asks is given. `stands_back`: jobs wait that it could run, and others will end them sooner."""

    job: Job | None = None
    stands_back: bool = False


def take_job(profiling: Profiling, unit: UnitOfWork, agent: Agent) -> Job | None:
    """Leases the agent the job that it runs next, and gives it; None if there is none."""
    return next_turn(profiling, unit, agent).job


def next_turn(profiling: Profiling, unit: UnitOfWork, agent: Agent) -> Turn:
    """Leases the agent the job that it runs next.

    The job needs nothing that the agent does not offer. There is none also while the agent as stored is draining or in
    quarantine, or holds as many jobs as its capacity. A call that finds nothing that fits writes nothing and takes no
    lock.
    """
    offers = offers_of(agent)
    needs = [number for number, words in unit.queue.needs().items() if words <= offers]
    if not needs or not unit.agents.is_free(agent.id, exclusive=False):
        return Turn()
    fleet = read_fleet(profiling, unit)
    if agent.id not in fleet.members:
        return Turn()
    dispatch = _Dispatch(unit, fleet, order_rules(profiling, unit), agent.id, needs)
    for _ in range(MOST_TRIES):
        decision = dispatch.decide()
        if decision.job is None:
            return Turn(stands_back=True)
        if not unit.agents.lock_free(agent.id, exclusive=decision.job.exclusive):
            return Turn()
        job = unit.jobs.lock_pending(decision.job.id)
        # What it has failed waits for another agent, if there is one: it shall not spend the attempts that are left.
        if job is not None and (job.failed_on != agent.id or job.placed_on in ("", agent.id)):
            now = profiling.clock()
            return Turn(unit.jobs.lease(job, agent.id, decision.reason, now, profiling.lease_duration))
        dispatch.passed_over.add(decision.job.id)
    return Turn()


def order_rules(profiling: Profiling, unit: UnitOfWork) -> OrderRules:
    """The rules of the order, as careful as estimates are wrong."""
    trust = unit.scheduling.learned().trust
    return replace(profiling.order, caution=max(profiling.order.caution, trust.caution))


def user_shares(unit: UnitOfWork, waiting: Sequence[WaitingJob], now: float) -> dict[str, float] | None:
    """How many times longer the jobs of each user count; None where all count alike."""
    users = {job.user for job in waiting}
    if len(users) < 2:
        return None
    used = {user: usage.faded(now) for user, usage in unit.scheduling.usages(users).items()}
    return shares(used, users, grain_s=sum(job.estimate_s for job in waiting) / len(waiting))


@dataclass(slots=True)
class _Dispatch:
    """What one agent that asks is given, decided as often as others are faster."""

    unit: UnitOfWork
    fleet: Fleet
    rules: OrderRules
    agent_id: str
    needs: Sequence[int]
    passed_over: set[str] = field(default_factory=set)

    def decide(self) -> Decision:
        """Its own jobs first; without one that it can take now, those of others."""
        unit, fleet = self.unit, self.fleet
        own = self._next(unit.queue.placed_on(self.agent_id), taking_over=False)
        if own.job is not None:
            return own
        others = unit.queue.first(
            self.needs,
            fleet.classes_like(fleet.members[self.agent_id].host_class),
            speed=fleet.agents[fleet.name(self.agent_id)].speed,
            ageing=self.rules.ageing,
            exclusive=unit.agents.is_free(self.agent_id, exclusive=True),
            most=MOST_CANDIDATES + len(self.passed_over),
        )
        return self._next(others, taking_over=True)

    def _next(self, queued: Sequence[Queued], *, taking_over: bool) -> Decision:
        fleet = self.fleet
        # It is free, so whatever it runs stands beside the job in question, not before it. And it is there: it asks.
        asking = replace(fleet.agents[fleet.name(self.agent_id)], running=None, away="")
        waiting = [fleet.waiting(job) for job in queued if job.job_id not in self.passed_over]
        return next_job(
            asking,
            {**fleet.agents, asking.id: asking},
            waiting,
            now=fleet.now,
            rules=self.rules,
            shares=user_shares(self.unit, waiting, fleet.now),
            taking_over=taking_over,
        )

"""Tier 1 of scheduling: the agent that a pending job waits for, and the tier that its experiment is measured in."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from datetime import timedelta

from msearch_scheduling.placement import Backlog, Placement, backlogs, place
from msearch_scheduling.tiers import choose_tier
from msearch_scheduling.work import WaitingJob
from search_service.domain import jobs
from search_service.domain.jobs import Job
from search_service.domain.ports import UnitOfWork
from search_service.domain.scheduling import needs_of
from search_service.usecases.fleet import Fleet, read_fleet
from search_service.usecases.profiling import Profiling
from search_service.usecases.sizes import Sizer

TIER_KEPT_FOR = timedelta(hours=1)
"""So long an experiment waits for a tier of which no agent was heard."""


class Placer:
    """Places the jobs of one unit of work, however many: agents are read once, and what it has placed counts."""

    def __init__(self, profiling: Profiling, unit: UnitOfWork) -> None:
        self._profiling = profiling
        self._unit = unit
        self._fleet = read_fleet(profiling, unit)
        self._before = _backlogs(unit, self._fleet)
        self._measure = unit.scheduling.learned().trust.measure
        self._sizer = Sizer(unit)

    def enqueue(self, job: Job) -> Job:
        """Adds a new job, with its estimated size, where it waits.

        Raises:
            NotFound: MODEL_NOT_FOUND.
        """
        shape, estimate = self._sizer.estimate(job.spec)
        placed = self.place(replace(job, shape=shape, estimate=estimate))
        self._unit.jobs.add(placed)
        return placed

    def place(self, job: Job) -> Job:
        """The pending job with where it waits and why; the caller stores it.

        The agent is one that could take the job and would end it first; none where no agent can take it now. It is not
        the one on which the last attempt failed, unless no other could take it.
        """
        fleet, reason = self._fleet, ""
        if job.experiment_id and not (job.tier and self._may_take(job, job.tier)):
            job, reason = self._bind(replace(job, tier=""))
        wanted = fleet.new(job)
        found = self._choose(wanted, avoiding=fleet.name(job.failed_on) if job.failed_on else "")
        if found.agent_id:
            backlog = self._before[found.agent_id]
            backlog.jobs += 1
            backlog.work_s += wanted.estimate_s
        text = "; ".join(part for part in (found.reason, reason) if part)
        agent_id, now = fleet.agent_id(found.agent_id), self._profiling.clock()
        return jobs.place(job, agent_id=agent_id, tier=job.tier, reason=text, now=now)

    def _choose(self, wanted: WaitingJob, *, avoiding: str) -> Placement:
        agents = self._fleet.agents
        for kept in ([agent for name, agent in agents.items() if name != avoiding], list(agents.values())):
            found = place(wanted, kept, self._before, measure=self._measure, now=self._fleet.now)
            if found.agent_id:
                break
        if avoiding and found.agent_id:
            found = replace(found, reason=f"{found.reason}; the last attempt failed on agent {avoiding}")
        return found

    def _bind(self, job: Job) -> tuple[Job, str]:
        """The job with the tier of its experiment, if an agent of it can take the job, else with another; and why."""
        fleet = self._fleet
        self._unit.hold_experiment(job.experiment_id)
        wanted, agents = fleet.new(job), fleet.agents.values()
        for host_class in self._unit.jobs.tiers_of(job.experiment_id):
            if self._may_take(job, host_class):
                reason = f"experiment {job.experiment_id} is measured in tier {fleet.tiers[host_class]}"
                return replace(job, tier=host_class), reason
        choice = choose_tier(wanted, agents, self._coverage(), now=fleet.now)
        if choice.tier is None:
            return job, choice.reason
        return replace(job, tier=_representative(fleet, choice.tier)), choice.reason

    def _may_take(self, job: Job, tier: str) -> bool:
        """Whether an agent of the tier, which may be busy, in quarantine or on its way back, could take the job."""
        needs, now = needs_of(job.spec), self._profiling.clock()
        return any(
            self._fleet.tiers[member.host_class] == self._fleet.tiers.get(tier)
            and needs <= member.offers
            and now - member.last_seen_at <= TIER_KEPT_FOR
            for member in self._fleet.members.values()
        )

    def _coverage(self) -> dict[int, float]:
        """By tier, how many jobs have ended there, run or wait."""
        coverage: dict[int, float] = defaultdict(float)
        for host_class, number in self._fleet.tiers.items():
            members = [member for member in self._fleet.members.values() if member.host_class == host_class]
            coverage[number] += max((member.pace.host_class.count for member in members), default=0)
            coverage[number] += sum(self._before[member.name].jobs for member in members)
        return coverage


def _backlogs(unit: UnitOfWork, fleet: Fleet) -> dict[str, Backlog]:
    """What each agent runs and what waits for it, by its name."""
    before = backlogs(fleet.agents.values(), (), now=fleet.now)
    for agent_id, waiting in unit.queue.backlogs().items():
        backlog = before.get(fleet.name(agent_id))
        if backlog is not None:
            backlog.jobs += waiting.jobs
            backlog.work_s += waiting.work_s
    return before


def _representative(fleet: Fleet, tier: int) -> str:
    """The host class that stands for a tier, whatever other classes come and go: its fastest."""
    members = [member for member in fleet.members.values() if fleet.tiers[member.host_class] == tier]
    return max(members, key=lambda member: (member.gflop_per_s or 0.0, member.host_class)).host_class

"""The agents, and jobs that wait, as the scheduling policy sees them: by name, with speeds, tiers and what they run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from msearch_scheduling.pace import relative_speeds
from msearch_scheduling.tiers import class_tiers
from msearch_scheduling.work import Agent, RunningJob, WaitingJob
from search_service.domain.jobs import Job
from search_service.domain.ports import UnitOfWork
from search_service.domain.scheduling import Held, Member, Queued, is_exclusive, needs_of
from search_service.usecases.profiling import Profiling

_LEAST_S = 1e-3
"""An estimate must be above 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """All agents at one time.

    Args:
        members: by id.
        agents: the same by name, as the policy sees them.
        tiers: of host classes, 0 for the fastest.
        now: seconds since 1970, the clock of the policy.
    """

    members: Mapping[str, Member]
    agents: Mapping[str, Agent]
    tiers: Mapping[str, int]
    now: float

    def name(self, agent_id: str) -> str:
        """The name of an agent; its id where it is not known."""
        return self.members[agent_id].name if agent_id in self.members else agent_id

    def agent_id(self, name: str) -> str:
        """The id of the agent of that name; "" for ""."""
        return next((member.id for member in self.members.values() if member.name == name), "")

    def classes_like(self, host_class: str) -> list[str]:
        """The host classes of the same tier."""
        tier = self.tiers.get(host_class)
        return [name for name, number in self.tiers.items() if number == tier]

    def waiting(self, job: Queued) -> WaitingJob:
        """A job of the queue, as the policy sees it."""
        return WaitingJob(
            id=job.job_id,
            number=job.number,
            estimate_s=max(job.estimate_s, _LEAST_S),
            submitted_at=job.queued_s,
            user=job.user,
            priority=job.priority,
            needs=job.needs,
            tier=self.tiers.get(job.tier, -1) if job.tier else None,
            agent_id=self.name(job.agent_id),
            overtaken_s=job.overtaken_s,
            exclusive=job.exclusive,
        )

    def new(self, job: Job) -> WaitingJob:
        """A job that is to be placed, as the policy sees it."""
        return WaitingJob(
            id=job.id,
            number=0,
            estimate_s=max(job.estimate.seconds, _LEAST_S),
            submitted_at=job.queued_at.timestamp(),
            experiment=job.experiment_id,
            user=job.submitted_by,
            priority=job.priority,
            needs=needs_of(job.spec),
            tier=self.tiers.get(job.tier, -1) if job.tier else None,
            exclusive=is_exclusive(job.spec),
        )


def read_fleet(profiling: Profiling, unit: UnitOfWork) -> Fleet:
    """The agents as they are now."""
    now = profiling.clock()
    members = unit.agents.members()
    held: dict[str, list[Held]] = defaultdict(list)
    for job in unit.jobs.held():
        held[job.agent_id].append(job)
    away = {member.id: member.away(now, profiling.gone_after) for member in members}
    present = {member.name: member.pace for member in members if not away[member.id]}
    speeds = relative_speeds(present)
    tiers = class_tiers(_peaks(members))
    agents = {}
    for member in members:
        speed = speeds.get(member.name, 1.0)
        agents[member.name] = Agent(
            id=member.name,
            speed=speed,
            offers=member.offers,
            tier=tiers[member.host_class],
            # No quarantine is longer; what would end later was given before the clock was set back.
            quarantined_until=min(member.conduct.quarantined_until, now.timestamp() + profiling.conduct.longest_s),
            devices=member.devices,
            running=_running(held.get(member.id, ()), speed, now),
            slots=member.capacity,
            away=away[member.id],
        )
    return Fleet(members={member.id: member for member in members}, agents=agents, tiers=tiers, now=now.timestamp())


def _peaks(members: Iterable[Member]) -> dict[str, float | None]:
    peaks: dict[str, float | None] = {}
    for member in members:
        best = max(peaks.get(member.host_class) or 0.0, member.gflop_per_s or 0.0)
        peaks[member.host_class] = best or None
    return peaks


def _running(held: Collection[Held], speed: float, now: datetime) -> RunningJob | None:
    """What an agent runs, as one job; None for nothing."""
    if not held:
        return None
    left = sum(max(0.0, job.estimate_s - (now - job.leased_at).total_seconds() * speed) for job in held)
    first = min(held, key=lambda job: job.leased_at)
    return RunningJob(
        id=first.job_id, estimate_s=left, started_at=now.timestamp(), exclusive=any(job.exclusive for job in held)
    )

"""Jobs that wait for no agent, or for one that takes none any more, find another."""

from __future__ import annotations

from dataclasses import replace

from search_service.domain.jobs import Job
from search_service.usecases.fleet import Fleet, read_fleet
from search_service.usecases.placing import Placer
from search_service.usecases.profiling import Profiling

LOOKED_AT_ONCE = 200
LOOKED_AT_AGAIN_S = 600.0
"""So often jobs that nobody could take are looked at although the agents are the same."""


class StrandedJobs:
    """Goes through them some at a time, and again once the agents that take jobs are others.

    Any number of replicas may do so at once, every few seconds.
    """

    def __init__(self, profiling: Profiling) -> None:
        self._profiling = profiling
        self._number = 0
        self._looked_with: object = None

    def place_again(self) -> int:
        """Looks at the next ones, and says how many found an agent."""
        with self._profiling.database.begin() as unit:
            fleet = read_fleet(self._profiling, unit)
            able = _able(fleet)
            looking_with = (frozenset(able.items()), fleet.now // LOOKED_AT_AGAIN_S)
            if not self._number and looking_with == self._looked_with:
                return 0
            following = unit.queue.stranded(list(able), self._number, LOOKED_AT_ONCE)
            placer = Placer(self._profiling, unit)
            before = [unit.jobs.get(job_id) for _, job_id in following]
            # Decided without a lock; only what changes is locked.
            moved = [job for job in before if _differs(job, placer.place(job))]
        if not self._number:
            self._looked_with = looking_with
        self._number = following[-1][0] if len(following) == LOOKED_AT_ONCE else 0
        return sum(self._place(job.id) for job in moved)

    def _place(self, job_id: str) -> bool:
        with self._profiling.database.begin() as unit:
            job = unit.jobs.lock_pending(job_id)
            if job is None:
                return False
            placed = Placer(self._profiling, unit).place(job)
            if not _differs(job, placed):
                return False
            unit.jobs.replace(placed)
            unit.commit()
        return bool(placed.placed_on)


def _able(fleet: Fleet) -> dict[str, frozenset[str]]:
    """What each agent offers that takes jobs now, by its id."""
    return {
        member.id: member.offers
        for member in fleet.members.values()
        if not fleet.agents[member.name].away and fleet.agents[member.name].quarantined_until <= fleet.now
    }


def _differs(job: Job, placed: Job) -> bool:
    return replace(placed, decisions=()) != replace(job, decisions=())

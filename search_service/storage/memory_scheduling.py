"""The queue of the memory database, and what the scheduler has learned."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from msearch_scheduling.conduct import Conduct
from msearch_scheduling.fairness import Usage
from msearch_scheduling.placement import Backlog
from msearch_scheduling.trust import Record
from search_service.domain.jobs import Job, JobState
from search_service.domain.scheduling import Learned, Queued, is_exclusive, needs_of
from search_service.storage.memory_session import MemorySession, Tables


class MemoryQueue:
    """The queue as one session sees it: the pending ones of its jobs."""

    def __init__(self, session: MemorySession) -> None:
        self._session = session

    def needs(self) -> Mapping[int, frozenset[str]]:
        return {number: needs for needs, number in _numbered(self._session.read()).items()}

    def placed_on(self, agent_id: str) -> Sequence[Queued]:
        return [job for job in _waiting(self._session.read()) if job.agent_id == agent_id]

    def backlogs(self) -> Mapping[str, Backlog]:
        found: dict[str, Backlog] = {}
        for job in _waiting(self._session.read()):
            backlog = found.setdefault(job.agent_id, Backlog())
            backlog.jobs += 1
            backlog.work_s += job.estimate_s
        return found

    def first(
        self, needs: Sequence[int], tiers: Sequence[str], *, speed: float, ageing: float, exclusive: bool, most: int
    ) -> Sequence[Queued]:
        tables = self._session.read()
        numbered = _numbered(tables)
        passing = [
            job
            for job in _waiting(tables)
            if numbered[job.needs] in needs and job.tier in ("", *tiers) and (exclusive or not job.exclusive)
        ]
        passing.sort(key=lambda job: (-job.priority, job.estimate_s / speed + ageing * job.queued_s, job.number))
        return passing[:most]

    def overtake(self, job: Job, *, started_s: float, seconds: float) -> None:
        tables = self._session.write()
        turn = (-job.priority, tables.job_numbers[job.id])
        for other in _waiting(tables):
            ahead = (-other.priority, other.number) < turn
            if ahead and other.agent_id == job.agent_id and other.queued_s <= started_s:
                tables.overtaken_s[other.job_id] = other.overtaken_s + seconds

    def stranded(self, agent_ids: Collection[str], number: int, most: int) -> Sequence[tuple[int, str]]:
        waiting = [job for job in _waiting(self._session.read()) if job.agent_id not in agent_ids]
        return [(job.number, job.job_id) for job in waiting if job.number > number][:most]

    def after(self, number: int, most: int) -> Sequence[tuple[int, str]]:
        waiting = _waiting(self._session.read())
        return [(job.number, job.job_id) for job in waiting if job.number > number][:most]


class MemoryScheduling:
    """What is learned, as one session sees it."""

    def __init__(self, session: MemorySession) -> None:
        self._session = session

    def learned(self) -> Learned:
        return self._session.read().learned

    def lock_learned(self) -> Learned:
        return self._session.write().learned

    def put_learned(self, learned: Learned) -> None:
        self._session.write().learned = learned

    def records(self, keys: Collection[str]) -> Mapping[str, Record]:
        held = self._session.read().size_records
        return {key: held.get(key, Record()) for key in keys}

    def put_records(self, records: Mapping[str, Record]) -> None:
        self._session.write().size_records.update(records)

    def usages(self, users: Collection[str]) -> Mapping[str, Usage]:
        held = self._session.read().usages
        return {user: held.get(user, Usage()) for user in users}

    def put_usage(self, user: str, usage: Usage) -> None:
        self._session.write().usages[user] = usage

    def put_conduct(self, agent_id: str, conduct: Conduct) -> None:
        self._session.write().conducts[agent_id] = conduct


def _numbered(tables: Tables) -> dict[frozenset[str], int]:
    """What the jobs that wait need, each different set with a number."""
    return {needs: number for number, needs in enumerate({job.needs: None for job in _waiting(tables)})}


def _waiting(tables: Tables) -> list[Queued]:
    """Oldest first."""
    return [
        Queued(
            job_id=job.id,
            number=tables.job_numbers[job.id],
            priority=job.priority,
            needs=needs_of(job.spec),
            tier=job.tier,
            agent_id=job.placed_on,
            user=job.submitted_by,
            estimate_s=job.estimate.seconds,
            queued_s=job.queued_at.timestamp(),
            overtaken_s=tables.overtaken_s.get(job.id, 0.0),
            exclusive=is_exclusive(job.spec),
        )
        for job in tables.jobs.values()
        if job.state is JobState.PENDING
    ]

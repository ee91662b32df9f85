"""The queue of pending jobs in SQL."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence

import sqlalchemy as sa

from msearch_scheduling.placement import Backlog
from search_service.domain.jobs import Job
from search_service.domain.scheduling import Queued
from search_service.storage.profiling_tables import job_needs, jobs
from search_service.storage.scheduling_rows import queued_of
from search_service.storage.scheduling_tables import waiting_jobs
from search_service.storage.session import Session

_NEEDS = sa.select(job_needs.c.number, job_needs.c.words).where(
    sa.exists().where(waiting_jobs.c.needs_number == job_needs.c.number)
)
_QUEUED = sa.select(waiting_jobs, job_needs.c.words).join_from(
    waiting_jobs, job_needs, job_needs.c.number == waiting_jobs.c.needs_number
)
_PLACED_ON = _QUEUED.where(waiting_jobs.c.agent_id == sa.bindparam("agent_id"))
_BACKLOGS = sa.select(
    waiting_jobs.c.agent_id, sa.func.count().label("jobs"), sa.func.sum(waiting_jobs.c.estimate_s).label("work_s")
).group_by(waiting_jobs.c.agent_id)
_FIRST = (
    _QUEUED.where(
        waiting_jobs.c.needs_number.in_(sa.bindparam("needs", expanding=True)),
        waiting_jobs.c.tier.in_(sa.bindparam("tiers", expanding=True)),
    )
    .order_by(
        waiting_jobs.c.priority.desc(),
        waiting_jobs.c.estimate_s / sa.bindparam("speed", type_=sa.Double)
        + sa.bindparam("ageing", type_=sa.Double) * waiting_jobs.c.queued_s,
        waiting_jobs.c.job_number,
    )
    .limit(sa.bindparam("most"))
)
_FIRST_DEVICELESS = _FIRST.where(waiting_jobs.c.exclusive.is_(sa.false()))
_ITS_NUMBER = sa.select(jobs.c.number).where(jobs.c.id == sa.bindparam("its_id")).scalar_subquery()
# Not the names of columns, which SQLAlchemy keeps for what an update sets.
_OVERTAKEN = (
    sa.select(waiting_jobs.c.job_number)
    .where(
        waiting_jobs.c.agent_id == sa.bindparam("its_agent"),
        waiting_jobs.c.queued_s <= sa.bindparam("started_s"),
        sa.or_(
            waiting_jobs.c.priority > sa.bindparam("its_priority"),
            sa.and_(waiting_jobs.c.priority == sa.bindparam("its_priority"), waiting_jobs.c.job_number < _ITS_NUMBER),
        ),
    )
    .with_for_update(skip_locked=True)
)
_OVERTAKE = (
    sa.update(waiting_jobs)
    .where(waiting_jobs.c.job_number.in_(_OVERTAKEN))
    .values(overtaken_s=waiting_jobs.c.overtaken_s + sa.bindparam("its_seconds"))
)
_AFTER = (
    sa.select(waiting_jobs.c.job_number, waiting_jobs.c.job_id)
    .where(waiting_jobs.c.job_number > sa.bindparam("number"))
    .order_by(waiting_jobs.c.job_number)
    .limit(sa.bindparam("most"))
)
_STRANDED = _AFTER.where(waiting_jobs.c.agent_id.not_in(sa.bindparam("agent_ids", expanding=True)))


class SqlQueue:
    """The queue as one session sees it. `SqlJobs` puts jobs in and takes them out."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def needs(self) -> Mapping[int, frozenset[str]]:
        return {row.number: frozenset(json.loads(row.words)) for row in self._session.rows(_NEEDS)}

    def placed_on(self, agent_id: str) -> Sequence[Queued]:
        return [queued_of(row) for row in self._session.rows(_PLACED_ON, {"agent_id": agent_id})]

    def backlogs(self) -> Mapping[str, Backlog]:
        return {row.agent_id: Backlog(row.jobs, row.work_s) for row in self._session.rows(_BACKLOGS)}

    def first(
        self, needs: Sequence[int], tiers: Sequence[str], *, speed: float, ageing: float, exclusive: bool, most: int
    ) -> Sequence[Queued]:
        statement = _FIRST if exclusive else _FIRST_DEVICELESS
        values = {"needs": list(needs), "tiers": ["", *tiers], "speed": speed, "ageing": ageing, "most": most}
        return [queued_of(row) for row in self._session.rows(statement, values)]

    def overtake(self, job: Job, *, started_s: float, seconds: float) -> None:
        values = {
            "its_agent": job.agent_id,
            "its_priority": job.priority,
            "its_id": job.id,
            "its_seconds": seconds,
            "started_s": started_s,
        }
        self._session.write(_OVERTAKE, values)

    def stranded(self, agent_ids: Collection[str], number: int, most: int) -> Sequence[tuple[int, str]]:
        values = {"agent_ids": list(agent_ids), "number": number, "most": most}
        return [(row.job_number, row.job_id) for row in self._session.rows(_STRANDED, values)]

    def after(self, number: int, most: int) -> Sequence[tuple[int, str]]:
        return [(row.job_number, row.job_id) for row in self._session.rows(_AFTER, {"number": number, "most": most})]

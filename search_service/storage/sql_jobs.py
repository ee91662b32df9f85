"""Jobs in SQL, with their leases; which of them wait, the table of the queue says."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa

from search_service.domain import jobs as transitions
from search_service.domain.catalog import Page
from search_service.domain.jobs import Job, JobFilter, JobState
from search_service.domain.profiling import JobSpec
from search_service.domain.scheduling import Held, is_exclusive, needs_of
from search_service.storage import refusals
from search_service.storage.experiment_tables import experiment_cells
from search_service.storage.kept_models import keep_model
from search_service.storage.paging import Position, newest_keys
from search_service.storage.profiling_rows import job_of, job_values, spec_json
from search_service.storage.profiling_tables import LEASED, job_needs, jobs, leases, profiles
from search_service.storage.rows import as_json
from search_service.storage.scheduling_rows import waiting_values
from search_service.storage.scheduling_tables import waiting_jobs
from search_service.storage.session import Session
from search_service.storage.tables import models

_BY_ID = sa.select(jobs).where(jobs.c.id == sa.bindparam("job_id"))
_LOCKED = _BY_ID.with_for_update()
_REVISION = sa.select(jobs.c.revision).where(jobs.c.id == sa.bindparam("job_id"))
_MODEL_LOCKED = sa.select(models.c.number).where(models.c.id == sa.bindparam("model_id")).with_for_update()
_NEEDS = sa.select(job_needs.c.number).where(job_needs.c.digest == sa.bindparam("digest"))
_PENDING_LOCKED = _BY_ID.where(jobs.c.state == "pending").with_for_update(skip_locked=True)
_NUMBERS = sa.select(jobs.c.number, jobs.c.needs_number).where(jobs.c.id == sa.bindparam("job_id"))
_HELD = sa.select(jobs.c.id, jobs.c.agent_id, jobs.c.estimate_s, jobs.c.leased_at, jobs.c.exclusive).where(LEASED)
_TIERS_OF = (
    sa.select(jobs.c.tier)
    .where(jobs.c.experiment_id == sa.bindparam("experiment_id"), jobs.c.tier != "")
    .group_by(jobs.c.tier)
    .order_by(sa.func.min(jobs.c.number))
)
_LEAVE_QUEUE = sa.delete(waiting_jobs).where(waiting_jobs.c.job_id == sa.bindparam("left_id"))
_NEW_LEASE = sa.insert(leases).returning(leases.c.token)
_EXPIRED = sa.select(jobs.c.id).where(LEASED, jobs.c.expires_at <= sa.bindparam("now")).limit(sa.bindparam("most"))
_OUTDATED = (
    sa.select(jobs.c.number)
    .where(
        jobs.c.ended_at < sa.bindparam("before"),
        jobs.c.id.not_in(sa.select(profiles.c.job_id)),
        jobs.c.id.not_in(sa.select(experiment_cells.c.job_id)),
    )
    .order_by(jobs.c.number)
    .limit(sa.bindparam("most"))
)
_DELETE_OUTDATED = sa.delete(jobs).where(jobs.c.number.in_(_OUTDATED))
_ALL_UNFINISHED = (
    sa.select(jobs).where(jobs.c.state.in_(["pending", "leased"])).order_by(jobs.c.number).with_for_update()
)
_UNFINISHED = _ALL_UNFINISHED.where(jobs.c.model_id == sa.bindparam("model_id"))
_UNFINISHED_OF = _ALL_UNFINISHED.where(jobs.c.experiment_id == sa.bindparam("experiment_id"))


class SqlJobs:
    """The jobs as one session sees them."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, job: Job) -> None:
        model_id = job.spec.model_id
        if model_id:
            keep_model(self._session, model_id)
        needs = self._needs(job.spec)
        values = job_values(job) | {
            "needs_number": needs,
            "spec": spec_json(job.spec),
            "exclusive": is_exclusive(job.spec),
        }
        number = self._session.lock_rows(sa.insert(jobs).returning(jobs.c.number), values)[0].number
        if job.state is JobState.PENDING:
            self._session.write(sa.insert(waiting_jobs), waiting_values(job, number, needs))

    def get(self, job_id: str) -> Job:
        found = self._session.rows(_BY_ID, {"job_id": job_id})
        if not found:
            raise refusals.job_not_found(job_id)
        return job_of(found[0])

    def revision(self, job_id: str) -> int:
        found = self._session.rows(_REVISION, {"job_id": job_id})
        if not found:
            raise refusals.job_not_found(job_id)
        return int(found[0].revision)

    def lock(self, job_id: str) -> Job:
        found = self._session.lock_rows(_LOCKED, {"job_id": job_id})
        if not found:
            raise refusals.job_not_found(job_id)
        return job_of(found[0])

    def replace(self, job: Job) -> None:
        if not self._session.write(sa.update(jobs).where(jobs.c.id == job.id), job_values(job)):
            raise refusals.job_not_found(job.id)
        if job.state is JobState.PENDING:
            self._put_in_queue(job)
        elif job.state.ended:
            self._session.write(_LEAVE_QUEUE, {"left_id": job.id})

    def page(self, filter: JobFilter, after: Position | None, size: int) -> Page[Job]:
        conditions: list[sa.ColumnElement[bool]] = []
        if filter.state is not None:
            conditions.append(jobs.c.state == filter.state.value)
        if filter.model_id:
            conditions.append(jobs.c.model_id == filter.model_id)
        if filter.experiment_id:
            conditions.append(jobs.c.experiment_id == filter.experiment_id)
        keys = newest_keys(self._session, jobs, conditions, after=after, size=size)
        numbers = [int(key) for (key,) in keys.items]
        found = {row.number: row for row in self._session.rows_in(sa.select(jobs), jobs.c.number, numbers)}
        return Page(tuple(job_of(found[number]) for number in numbers if number in found), keys.total, keys.after)

    def lock_pending(self, job_id: str) -> Job | None:
        found = self._session.lock_rows(_PENDING_LOCKED, {"job_id": job_id})
        return job_of(found[0]) if found else None

    def lease(self, job: Job, agent_id: str, reason: str, now: datetime, duration: timedelta) -> Job:
        number = self._session.rows(_NUMBERS, {"job_id": job.id})[0].number
        values = {"job_number": number, "agent_id": agent_id, "attempt": job.attempt + 1, "leased_at": now}
        token = self._session.lock_rows(_NEW_LEASE, values)[0].token
        leased = transitions.lease(
            job, agent_id=agent_id, fencing_token=token, now=now, duration=duration, reason=reason
        )
        self._session.write(sa.update(jobs).where(jobs.c.id == job.id), job_values(leased))
        self._session.write(_LEAVE_QUEUE, {"left_id": job.id})
        return leased

    def delete_outdated(self, before: datetime, most: int) -> int:
        return self._session.write(_DELETE_OUTDATED, {"before": before, "most": most})

    def held(self) -> Sequence[Held]:
        return [
            Held(
                job_id=row.id,
                agent_id=row.agent_id,
                estimate_s=row.estimate_s,
                leased_at=row.leased_at,
                exclusive=row.exclusive,
            )
            for row in self._session.rows(_HELD)
        ]

    def tiers_of(self, experiment_id: str) -> Sequence[str]:
        return [row.tier for row in self._session.rows(_TIERS_OF, {"experiment_id": experiment_id})]

    def held_by(self, agent_ids: Sequence[str]) -> dict[str, tuple[str, ...]]:
        held: dict[str, list[tuple[int, str]]] = defaultdict(list)
        query = sa.select(jobs.c.agent_id, jobs.c.number, jobs.c.id).where(LEASED)
        for row in self._session.rows_in(query, jobs.c.agent_id, agent_ids):
            held[row.agent_id].append((row.number, row.id))
        return {agent_id: tuple(job_id for _, job_id in sorted(found)) for agent_id, found in held.items()}

    def expired(self, now: datetime, limit: int) -> Sequence[str]:
        return [row.id for row in self._session.rows(_EXPIRED, {"now": now, "most": limit})]

    def lock_unfinished(self, model_id: str) -> Sequence[Job]:
        # Jobs before the model, as whoever completes one: in another order the two could wait for each other.
        self._session.lock_rows(_UNFINISHED, {"model_id": model_id})
        self._session.lock_rows(_MODEL_LOCKED, {"model_id": model_id})
        return [job_of(row) for row in self._session.lock_rows(_UNFINISHED, {"model_id": model_id})]

    def lock_unfinished_of(self, experiment_id: str) -> Sequence[Job]:
        return [job_of(row) for row in self._session.lock_rows(_UNFINISHED_OF, {"experiment_id": experiment_id})]

    def _needs(self, spec: JobSpec) -> int:
        """The number of what the job needs, which is added if it is new."""
        text = as_json(sorted(needs_of(spec)))
        values = {"digest": hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest(), "words": text}
        known = self._session.lock_rows(_NEEDS, {"digest": values["digest"]})
        number = known[0].number if known else self._session.insert_new(job_needs, values)
        if number is None:  # another transaction has just added it
            number = self._session.rows(_NEEDS, {"digest": values["digest"]})[0].number
        return int(number)

    def _put_in_queue(self, job: Job) -> None:
        """As it is now; what overtook it stays where it waited already."""
        numbers = self._session.rows(_NUMBERS, {"job_id": job.id})[0]
        values = waiting_values(job, numbers.number, numbers.needs_number)
        kept = {name: value for name, value in values.items() if name != "overtaken_s"}
        if not self._session.write(sa.update(waiting_jobs).where(waiting_jobs.c.job_id == job.id), kept):
            self._session.write(sa.insert(waiting_jobs), values)

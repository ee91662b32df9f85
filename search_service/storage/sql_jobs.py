"""Jobs in SQL, and how an agent takes one."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import lru_cache

import sqlalchemy as sa

from search_service.domain import jobs as transitions
from search_service.domain.catalog import Page
from search_service.domain.jobs import Job, JobFilter
from search_service.domain.profiling import Agent, JobSpec
from search_service.domain.scheduling import Candidate, in_order, needs_of, offers_of
from search_service.storage import refusals
from search_service.storage.paging import Position, newest_keys
from search_service.storage.profiling_rows import job_of, job_values, spec_json
from search_service.storage.profiling_tables import LEASED, PENDING, agents, job_needs, jobs, leases
from search_service.storage.rows import as_json
from search_service.storage.session import Row, Session
from search_service.storage.tables import models

_WINDOWS = (32, 256, 2048)
"""How many candidates are looked at in turn, where other agents are just taking all of the first ones."""

_BY_ID = sa.select(jobs).where(jobs.c.id == sa.bindparam("job_id"))
_LOCKED = _BY_ID.with_for_update()
_REVISION = sa.select(jobs.c.revision).where(jobs.c.id == sa.bindparam("job_id"))
_MODEL = sa.select(models.c.number).where(models.c.id == sa.bindparam("model_id"))
_MODEL_KEPT = _MODEL.with_for_update(read=True, key_share=True)
_MODEL_LOCKED = _MODEL.with_for_update()
_NEEDS = sa.select(job_needs.c.number).where(job_needs.c.digest == sa.bindparam("digest"))
_WAITING_NEEDS = sa.select(job_needs.c.number, job_needs.c.words).where(
    sa.exists().where(jobs.c.needs_number == job_needs.c.number, PENDING)
)
_AGENT_LOCKED = (
    sa.select(agents.c.capacity, agents.c.draining).where(agents.c.id == sa.bindparam("agent_id")).with_for_update()
)
_HELD = sa.select(sa.func.count()).select_from(jobs).where(LEASED, jobs.c.agent_id == sa.bindparam("agent_id"))
_FREE_AGENT = sa.select(agents.c.id).where(
    agents.c.id == sa.bindparam("agent_id"), sa.not_(agents.c.draining), agents.c.capacity > _HELD.scalar_subquery()
)
_CANDIDATES = (
    sa.select(jobs.c.id, jobs.c.priority, jobs.c.number)
    .where(PENDING, jobs.c.needs_number.in_(sa.bindparam("needs", expanding=True)))
    .order_by(jobs.c.priority.desc(), jobs.c.number)
    .limit(sa.bindparam("most"))
)
_NEW_LEASE = sa.insert(leases).returning(leases.c.token)
_EXPIRED = sa.select(jobs.c.id).where(LEASED, jobs.c.expires_at <= sa.bindparam("now")).limit(sa.bindparam("most"))
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
        if model_id and not self._session.lock_rows(_MODEL_KEPT, {"model_id": model_id}):
            raise refusals.model_not_found(model_id)
        values = job_values(job) | {"needs_number": self._needs(job.spec), "spec": spec_json(job.spec)}
        self._session.write(sa.insert(jobs), values)

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

    def take(self, agent: Agent, now: datetime, lease_duration: timedelta) -> Job | None:
        offers = offers_of(agent)
        needs = [row.number for row in self._session.rows(_WAITING_NEEDS) if _words(row.words) <= offers]
        # Looked at without a lock first: an agent that is busy, or draining, polls for nothing.
        if not needs or not self._session.rows(_FREE_AGENT, {"agent_id": agent.id}) or not self._may_take(agent.id):
            return None
        for most in _WINDOWS:
            candidates = [
                Candidate(job_id=row.id, priority=row.priority, number=row.number)
                for row in self._session.rows(_CANDIDATES, {"needs": needs, "most": most})
            ]
            row = self._lock_first([candidate.job_id for candidate in in_order(candidates)])
            if row is not None:
                return self._lease(row, agent.id, now, lease_duration)
            if len(candidates) < most:
                return None
        return None

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

    def _may_take(self, agent_id: str) -> bool:
        """Whether the agent, locked from now on, may hold one job more.

        The jobs are counted after the lock, in a statement of their own, which sees what was committed until then.
        """
        key = {"agent_id": agent_id}
        stored = self._session.lock_rows(_AGENT_LOCKED, key)
        if not stored or stored[0].draining:
            return False
        return bool(self._session.rows(_HELD, key)[0][0] < stored[0].capacity)

    def _lock_first(self, job_ids: Sequence[str]) -> Row | None:
        """The first of these jobs that is pending and that no other transaction holds, locked."""
        if not job_ids:
            return None
        place = sa.case({job_id: place for place, job_id in enumerate(job_ids)}, value=jobs.c.id)
        query = sa.select(jobs).where(PENDING, jobs.c.id.in_(job_ids)).order_by(place).limit(1)
        found = self._session.lock_rows(query.with_for_update(skip_locked=True))
        return found[0] if found else None

    def _lease(self, row: Row, agent_id: str, now: datetime, duration: timedelta) -> Job:
        values = {"job_number": row.number, "agent_id": agent_id, "attempt": row.attempt + 1, "leased_at": now}
        token = self._session.lock_rows(_NEW_LEASE, values)[0].token
        leased = transitions.lease(job_of(row), agent_id=agent_id, fencing_token=token, now=now, duration=duration)
        self.replace(leased)
        return leased


@lru_cache(maxsize=4096)
def _words(text: str) -> frozenset[str]:
    return frozenset(json.loads(text))

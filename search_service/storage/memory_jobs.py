"""The jobs of the memory database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from search_service.domain import jobs as transitions
from search_service.domain.catalog import Page
from search_service.domain.jobs import Job, JobFilter, JobState
from search_service.domain.scheduling import Held, is_exclusive
from search_service.storage import refusals
from search_service.storage.memory_session import MemorySession, Tables
from search_service.storage.memory_stores import Position, newest


class MemoryJobs:
    """The jobs as one session sees them."""

    def __init__(self, session: MemorySession) -> None:
        self._session = session

    def add(self, job: Job) -> None:
        tables = self._session.write()
        if job.spec.model_id and job.spec.model_id not in tables.models:
            raise refusals.model_not_found(job.spec.model_id)
        tables.jobs[job.id] = job
        tables.last_job_number += 1
        tables.job_numbers[job.id] = tables.last_job_number

    def get(self, job_id: str) -> Job:
        return _found(self._session.read(), job_id)

    def revision(self, job_id: str) -> int:
        return self.get(job_id).revision

    def lock(self, job_id: str) -> Job:
        return _found(self._session.write(), job_id)

    def replace(self, job: Job) -> None:
        tables = self._session.write()
        tables.jobs[job.id] = replace(job, spec=_found(tables, job.id).spec)
        if job.state is not JobState.PENDING:
            tables.overtaken_s.pop(job.id, None)

    def page(self, filter: JobFilter, after: Position | None, size: int) -> Page[Job]:
        tables = self._session.read()
        passing = [
            job
            for job in tables.jobs.values()
            if filter.state in (None, job.state)
            and filter.model_id in ("", job.spec.model_id)
            and filter.experiment_id in ("", job.experiment_id)
        ]
        return newest(passing, lambda job: tables.job_numbers[job.id], after, size)

    def lock_pending(self, job_id: str) -> Job | None:
        job = self._session.write().jobs.get(job_id)
        return job if job is not None and job.state is JobState.PENDING else None

    def lease(self, job: Job, agent_id: str, reason: str, now: datetime, duration: timedelta) -> Job:
        tables = self._session.write()
        tables.last_fencing_token += 1
        token = tables.last_fencing_token
        leased = transitions.lease(
            job, agent_id=agent_id, fencing_token=token, now=now, duration=duration, reason=reason
        )
        self.replace(leased)
        return leased

    def delete_outdated(self, before: datetime, most: int) -> int:
        tables = self._session.write()
        kept = {profile.job_id for profile in tables.profiles.values()}
        kept |= {cell.job_id for cells in tables.cells.values() for cell in cells}
        old = [job.id for job in tables.jobs.values() if job.ended_at is not None and job.ended_at < before]
        gone = [job_id for job_id in old if job_id not in kept][:most]
        for job_id in gone:
            del tables.jobs[job_id], tables.job_numbers[job_id]
        return len(gone)

    def held(self) -> Sequence[Held]:
        return [
            Held(
                job_id=job.id,
                agent_id=job.agent_id,
                estimate_s=job.estimate.seconds,
                leased_at=job.leased_at,
                exclusive=is_exclusive(job.spec),
            )
            for job in self._session.read().jobs.values()
            if job.state is JobState.LEASED and job.leased_at is not None
        ]

    def tiers_of(self, experiment_id: str) -> Sequence[str]:
        jobs = self._session.read().jobs.values()
        return list(dict.fromkeys(job.tier for job in jobs if job.experiment_id == experiment_id and job.tier))

    def held_by(self, agent_ids: Sequence[str]) -> dict[str, tuple[str, ...]]:
        held = {agent_id: tuple(_held(self._session.read(), agent_id)) for agent_id in agent_ids}
        return {agent_id: job_ids for agent_id, job_ids in held.items() if job_ids}

    def expired(self, now: datetime, limit: int) -> Sequence[str]:
        due = [
            job.id
            for job in self._session.read().jobs.values()
            if job.state is JobState.LEASED and job.expires_at is not None and job.expires_at <= now
        ]
        return due[:limit]

    def lock_unfinished(self, model_id: str) -> Sequence[Job]:
        jobs = self._session.write().jobs.values()
        return [job for job in jobs if model_id and job.spec.model_id == model_id and not job.state.ended]

    def lock_unfinished_of(self, experiment_id: str) -> Sequence[Job]:
        jobs = self._session.write().jobs.values()
        return [job for job in jobs if job.experiment_id == experiment_id and not job.state.ended]


def _found(tables: Tables, job_id: str) -> Job:
    job = tables.jobs.get(job_id)
    if job is None:
        raise refusals.job_not_found(job_id)
    return job


def _held(tables: Tables, agent_id: str) -> list[str]:
    return [job.id for job in tables.jobs.values() if job.state is JobState.LEASED and job.agent_id == agent_id]

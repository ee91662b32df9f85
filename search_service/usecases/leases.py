"""Use cases of agents at work: acquire a job under a lease, keep it, report, give it back, fetch what it needs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from search_service.domain import jobs
from search_service.domain.access import Caller, Role
from search_service.domain.catalog import DatasetSample, Model
from search_service.domain.errors import NotFound, Reason
from search_service.domain.evaluation import EvaluationSample
from search_service.domain.jobs import Failure, Job, Lease, Progress
from search_service.domain.ports import UnitOfWork
from search_service.domain.profiling import Profile
from search_service.usecases.accounting import end_lease
from search_service.usecases.agents import check_own, note_heard
from search_service.usecases.dispatching import next_turn
from search_service.usecases.fields import check_text, invalid
from search_service.usecases.profiling import Profiling
from search_service.usecases.reports import check_profiles, with_kept

LONGEST_WAIT_S = 30.0
LOOK_EVERY_S = 0.5
STANDS_BACK_S = 2.0
"""Between two looks of an agent that leaves what waits to others: such a look reads all that a decision goes by."""

LONGEST_CODE = 60
LONGEST_MESSAGE = 20_000


class Part(StrEnum):
    """What a leased job needs."""

    MODEL = "model"
    SAMPLE = "sample"
    EVALUATION_SAMPLE = "evaluation_sample"


@dataclass(frozen=True, slots=True, kw_only=True)
class Acquired:
    """A leased job with what it needs, or nothing. `drain`: the agent is to finish what it has and stop."""

    lease: Lease | None = None
    job: Job | None = None
    model: Model | None = None
    sample: DatasetSample | None = None
    drain: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """Bytes that a job needs."""

    digest: str
    size_bytes: int
    chunks: Iterator[bytes]


def acquire_job(profiling: Profiling, caller: Caller | None, agent_id: str, wait_s: float = 0.0) -> Acquired:
    """Leases a job that fits the agent, waiting for one up to `wait_s`, and gives it with its model and sample.

    Raises:
        InvalidArgument: the wait is negative or above 30 s.
        NotFound: AGENT_NOT_FOUND; register again.
        PermissionDenied: the agent registered with another token.
    """
    if not 0 <= wait_s <= LONGEST_WAIT_S:
        raise invalid("wait", f"must be from 0 to {LONGEST_WAIT_S:g} s, not {wait_s:g} s")
    ends = profiling.monotonic() + wait_s
    while True:
        with profiling.database.begin() as unit:
            agent = unit.agents.get(agent_id)
            check_own(agent, caller)
            turn = next_turn(profiling, unit, agent)
            job = turn.job
            if job is not None:
                model, sample = _needed(unit, job)
                unit.commit()
        note_heard(profiling, agent)
        if job is not None:
            return Acquired(lease=_lease(profiling, job), job=job, model=model, sample=sample, drain=agent.draining)
        left_s = ends - profiling.monotonic()
        if (
            agent.draining
            or left_s <= 0
            or profiling.wait(min(STANDS_BACK_S if turn.stands_back else LOOK_EVERY_S, left_s))
        ):
            return Acquired(drain=agent.draining)


def renew_lease(profiling: Profiling, caller: Caller | None, lease: Lease) -> tuple[Lease, bool]:
    """The lease with its new end, and whether the job is to be cancelled.

    Raises:
        NotFound: JOB_NOT_FOUND.
        LeaseLost: it is not this lease that holds the job.
        PermissionDenied: the agent that holds it registered with another token.
    """
    with profiling.database.begin() as unit:
        job = _held(unit, caller, lease)
        job = jobs.renew(job, lease, now=profiling.clock(), duration=profiling.lease_duration)
        agent = unit.agents.get(job.agent_id)
        unit.jobs.replace(job)
        unit.commit()
    note_heard(profiling, agent)
    return _lease(profiling, job), job.cancel_requested


def report_progress(profiling: Profiling, caller: Caller | None, lease: Lease, progress: Progress) -> None:
    """Notes how far the job is. Raises InvalidArgument, and as `renew_lease`."""
    if not 0 <= progress.fraction <= 1:
        raise invalid("progress.fraction", f"must be from 0 to 1, not {progress.fraction}")
    check_text("progress.stage", progress.stage, LONGEST_CODE)
    check_text("progress.message", progress.message, LONGEST_MESSAGE)
    with profiling.database.begin() as unit:
        job = _held(unit, caller, lease)
        changed = jobs.report_progress(job, lease, progress)
        if changed is not job:
            unit.jobs.replace(changed)
            unit.commit()


def complete_job(profiling: Profiling, caller: Caller | None, lease: Lease, reported: Sequence[Profile]) -> Job:
    """Ends the job with its profiles, stored together with its new state.

    Repeated with the same lease it stores nothing and answers the same.

    Raises:
        InvalidArgument: there is no profile, too many, or one that cannot be.
        NotFound, LeaseLost, PermissionDenied: as `renew_lease`.
    """
    checked = check_profiles(reported)
    with profiling.database.begin() as unit:
        job = unit.jobs.lock(lease.job_id)
        if job.spec.evaluate is not None:
            raise invalid("lease.job_id", f"job {job.id} asks for outputs: report it with CompleteEvaluation")
        if not jobs.completed_before(job, lease):
            jobs.check_held(job, lease)
        agent = unit.agents.get(job.agent_id)
        check_own(agent, caller)
        if jobs.completed_before(job, lease):
            return job
        now = profiling.clock()
        profiles = [
            replace(
                profile,
                id=profiling.new_id("prf"),
                job_id=job.id,
                attempt=job.attempt,
                model_id=job.spec.model_id,
                model_name=job.model_name,
                agent_id=job.agent_id,
                host_class=profile.host_class or agent.host_class,
                host_json=profile.host_json or agent.host_json,
                created_at=now,
            )
            for profile in checked
        ]
        unit.profiles.add([with_kept(unit, profile) for profile in profiles])
        done = jobs.complete(job, lease, tuple(profile.id for profile in profiles), now=now)
        done = end_lease(profiling, unit, job, done)
        unit.commit()
    return done


def fail_job(profiling: Profiling, caller: Caller | None, lease: Lease, failure: Failure, *, retry: bool) -> Job:
    """Ends the attempt with a failure; `retry` says that another attempt may help.

    Repeated with the same lease it changes nothing and answers the job. Raises InvalidArgument, and as `renew_lease`.
    """
    if not failure.code:
        raise invalid("failure.code", "must not be empty")
    check_text("failure.code", failure.code, LONGEST_CODE)
    message = check_text("failure.message", failure.message[:LONGEST_MESSAGE], LONGEST_MESSAGE)
    with profiling.database.begin() as unit:
        job = unit.jobs.lock(lease.job_id)
        changed = jobs.fail(job, lease, replace(failure, message=message), retry=retry, now=profiling.clock())
        check_owner(unit, caller, job)
        if changed is not job:
            changed = end_lease(profiling, unit, job, changed)
            unit.commit()
    return changed


def release_job(profiling: Profiling, caller: Caller | None, lease: Lease) -> None:
    """Gives the job back unfinished; the attempt does not count. Harmless when repeated. Raises as `renew_lease`."""
    with profiling.database.begin() as unit:
        job = unit.jobs.lock(lease.job_id)
        changed = jobs.release(job, lease, now=profiling.clock())
        check_owner(unit, caller, job)
        if changed is not job:
            end_lease(profiling, unit, job, changed)
            unit.commit()


def fetch_for_job(profiling: Profiling, caller: Caller | None, lease: Lease, part: Part) -> Fetched:
    """The bytes of the leased job's model, of the sample of its source dataset, or of the rows to run it on, in chunks.

    A chunk has at most 1 MiB.

    Raises:
        NotFound: JOB_NOT_FOUND, ARTIFACT_NOT_FOUND, SAMPLE_NOT_FOUND or EVALUATION_SAMPLE_NOT_FOUND.
        LeaseLost, PermissionDenied: as `renew_lease`.
    """
    with profiling.database.begin() as unit:
        job = unit.jobs.get(lease.job_id)
        jobs.check_held(job, lease)
        check_owner(unit, caller, job)
        model, sample = _needed(unit, job)
        rows = _rows_to_run(unit, job) if part is Part.EVALUATION_SAMPLE else None
    if rows is not None:
        digest, size_bytes = rows.digest, rows.size_bytes
    elif part is Part.MODEL:
        if model is None or not model.artifact.stored:
            raise NotFound(f"the model of job {job.id} has no artifact stored here", Reason.ARTIFACT_NOT_FOUND)
        digest, size_bytes = model.artifact.digest, model.artifact.size_bytes
    else:
        if sample is None:
            raise NotFound(f"no sample is stored for the model of job {job.id}", Reason.SAMPLE_NOT_FOUND)
        digest, size_bytes = sample.digest, sample.size_bytes
    return Fetched(digest=digest, size_bytes=size_bytes, chunks=profiling.blobs.read(digest))


def _needed(unit: UnitOfWork, job: Job) -> tuple[Model | None, DatasetSample | None]:
    if not job.spec.model_id:
        return None, None
    model = unit.models.get(job.spec.model_id)
    return model, unit.datasets.get(model.dataset_id).sample if model.dataset_id else None


def _rows_to_run(unit: UnitOfWork, job: Job) -> EvaluationSample:
    if job.spec.evaluate is None:
        raise invalid("part", f"job {job.id} runs its model on no evaluation sample")
    return unit.evaluation_samples.get(job.spec.evaluate.sample_id)


def _held(unit: UnitOfWork, caller: Caller | None, lease: Lease) -> Job:
    """The job, locked, whose lease that is."""
    job = unit.jobs.lock(lease.job_id)
    jobs.check_held(job, lease)
    check_owner(unit, caller, job)
    return job


def check_owner(unit: UnitOfWork, caller: Caller | None, job: Job) -> None:
    """Raises PermissionDenied where a token of the role agent speaks for the agent of another token."""
    # After the lease: who lost it learns that, whoever has the job now.
    if caller is not None and caller.role is Role.AGENT:
        check_own(unit.agents.get(job.agent_id), caller)


def _lease(profiling: Profiling, job: Job) -> Lease:
    return replace(job.lease, duration_s=profiling.lease_duration.total_seconds())

"""A job and its states: pure functions from a job and an event to the job after it.

    pending -> leased -> succeeded | failed | cancelled

An attempt begins with a lease. A lease that is not renewed by `expires_at` may be taken back (`expire`), which gives
the job to another attempt, or ends it after the last one. Until it is taken back, a late renewal or report of its
holder still counts: nobody else has the job. From then on the fencing token is forgotten, and whoever shows it has
lost its lease and changes nothing.

`fencing_token` is that of the last lease as long as its holder could repeat its last call: it stays when the holder
itself ended the lease, and is 0 after an expiry.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from msearch_scheduling.sizes import JobShape
from search_service.domain.errors import LeaseLost
from search_service.domain.profiling import JobSpec

LEASE_EXPIRED = "lease_expired"
CANCELLED = "cancelled"


class JobState(StrEnum):
    """Where a job stands."""

    PENDING = "pending"
    LEASED = "leased"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """Whether nothing can change any more."""
        return self not in (JobState.PENDING, JobState.LEASED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a job, or an attempt, failed: a code of profiles.proto, and words for people."""

    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a job is: `fraction` in [0, 1]; `stage` is fetch, compile, verify, warm_up, measure or report."""

    fraction: float
    stage: str
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """Proof of holding a job. What an agent shows is job, attempt and token; the rest is for it to know."""

    job_id: str
    attempt: int
    fencing_token: int
    expires_at: datetime | None = None
    duration_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeEstimate:
    """How long a job takes on an agent of speed 1, from its lease to its end.

    `predicted`: learned from jobs that have ended; otherwise reckoned from what the job asks for.
    """

    seconds: float = 60.0
    predicted: bool = False


class Step(StrEnum):
    """What the scheduler decided about a job."""

    PLACED = "placed"
    LEASED = "leased"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A decision of the scheduler about a job, and why; `agent_id` is "" where no agent could take it."""

    step: Step
    agent_id: str
    reason: str
    at: datetime


MOST_DECISIONS = 12
"""Of a job the newest ones are kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job. `agent_id` holds it, or held it last. `revision` grows with every change but a renewal.

    `experiment_id`: what it belongs to, "" for nothing. `submitted_by`: name of the token it came with, "" without one.
    `queued_at`: since when it waits, or waited last. `placed_on`: the agent it waits for, or waited for last, "" for
    none. `tier`: a host class, of whose tier the agent must be; "" for any. `shape` is what its estimate goes by.
    """

    id: str
    spec: JobSpec
    state: JobState
    max_attempts: int
    created_at: datetime
    model_name: str = ""
    priority: int = 0
    experiment_id: str = ""
    submitted_by: str = ""
    estimate: SizeEstimate = field(default_factory=SizeEstimate)
    shape: JobShape = field(default_factory=JobShape)
    queued_at: datetime
    placed_on: str = ""
    tier: str = ""
    decisions: tuple[Decision, ...] = ()
    attempt: int = 0
    agent_id: str = ""
    fencing_token: int = 0
    progress: Progress | None = None
    failure: Failure | None = None
    profile_ids: tuple[str, ...] = ()
    cancel_requested: bool = False
    leased_at: datetime | None = None
    expires_at: datetime | None = None
    ended_at: datetime | None = None
    attempt_failures: tuple[Failure, ...] = ()
    revision: int = 1

    @property
    def failed_on(self) -> str:
        """The agent of the last attempt where one has failed; "" where none has. Another may do better."""
        return self.agent_id if self.attempt_failures else ""

    @property
    def lease(self) -> Lease:
        """The proof that its holder has. Only for a leased job."""
        return Lease(job_id=self.id, attempt=self.attempt, fencing_token=self.fencing_token, expires_at=self.expires_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFilter:
    """Which jobs to keep; all conditions hold together, an empty one keeps any."""

    state: JobState | None = None
    model_id: str = ""
    experiment_id: str = ""


def submit(
    id: str,
    spec: JobSpec,
    *,
    max_attempts: int,
    now: datetime,
    model_name: str = "",
    priority: int = 0,
    experiment_id: str = "",
    submitted_by: str = "",
    estimate: SizeEstimate | None = None,
    shape: JobShape | None = None,
) -> Job:
    """A new job, pending."""
    return Job(
        id=id,
        spec=spec,
        state=JobState.PENDING,
        max_attempts=max_attempts,
        created_at=now,
        model_name=model_name,
        priority=priority,
        experiment_id=experiment_id,
        submitted_by=submitted_by,
        estimate=estimate or SizeEstimate(),
        shape=shape or JobShape(),
        queued_at=now,
    )


def place(job: Job, *, agent_id: str, tier: str, reason: str, now: datetime) -> Job:
    """Lets a pending job wait for an agent, "" for none. Raises ValueError for any other."""
    if job.state is not JobState.PENDING:
        raise ValueError(f"job {job.id} is {job.state}, not pending")
    decision = Decision(step=Step.PLACED, agent_id=agent_id, reason=reason, at=now)
    return replace(job, placed_on=agent_id, tier=tier, decisions=_with(job.decisions, decision))


def lease(job: Job, *, agent_id: str, fencing_token: int, now: datetime, duration: timedelta, reason: str = "") -> Job:
    """Gives a pending job to an agent. Raises ValueError for any other: who leases looks first, under a lock."""
    if job.state is not JobState.PENDING:
        raise ValueError(f"job {job.id} is {job.state}, not pending")
    if fencing_token <= job.fencing_token:
        raise ValueError(f"fencing token {fencing_token} does not follow {job.fencing_token}")
    return replace(
        job,
        state=JobState.LEASED,
        attempt=job.attempt + 1,
        agent_id=agent_id,
        fencing_token=fencing_token,
        progress=None,
        leased_at=now,
        expires_at=now + duration,
        decisions=_with(job.decisions, Decision(step=Step.LEASED, agent_id=agent_id, reason=reason, at=now)),
        revision=job.revision + 1,
    )


def renew(job: Job, lease: Lease, *, now: datetime, duration: timedelta) -> Job:
    """Keeps the lease until `duration` from now. Raises LeaseLost."""
    check_held(job, lease)
    return replace(job, expires_at=now + duration)


def shorten(job: Job, latest: datetime) -> Job:
    """Lets its lease end at `latest` if it would end later; any other job stays as it is."""
    if job.state is not JobState.LEASED or job.expires_at is None or job.expires_at <= latest:
        return job
    return replace(job, expires_at=latest)


def report_progress(job: Job, lease: Lease, progress: Progress) -> Job:
    """Notes how far the job is. Raises LeaseLost."""
    check_held(job, lease)
    return job if progress == job.progress else replace(job, progress=progress, revision=job.revision + 1)


def complete(job: Job, lease: Lease, profile_ids: tuple[str, ...], *, now: datetime) -> Job:
    """Ends the job with its profiles. Raises LeaseLost.

    Also where it was to be cancelled meanwhile: the work is done. Repeated with the same lease it changes nothing;
    `completed_before` tells.
    """
    if completed_before(job, lease):
        return job
    check_held(job, lease)
    done = Progress(fraction=1.0, stage="report")
    return _ended(job, JobState.SUCCEEDED, now, progress=done, profile_ids=profile_ids)


def completed_before(job: Job, lease: Lease) -> bool:
    """Whether this very lease has completed the job already."""
    return job.state is JobState.SUCCEEDED and _same(job, lease)


def fail(job: Job, lease: Lease, failure: Failure, *, retry: bool, now: datetime) -> Job:
    """Ends the attempt with a failure. Raises LeaseLost.

    The job becomes cancelled if someone asked for it, pending if another attempt may help and is left, else failed.
    Repeated with the same lease it changes nothing.
    """
    if job.state in (JobState.PENDING, JobState.FAILED, JobState.CANCELLED) and _same(job, lease):
        return job
    check_held(job, lease)
    if job.cancel_requested:
        kept = () if failure.code == CANCELLED else (failure,)
        return _ended(job, JobState.CANCELLED, now, attempt_failures=job.attempt_failures + kept)
    failures = (*job.attempt_failures, failure)
    if retry and job.attempt < job.max_attempts:
        return _requeued(job, now, attempt_failures=failures)
    return _ended(job, JobState.FAILED, now, failure=failure, attempt_failures=failures)


def release(job: Job, lease: Lease, *, now: datetime) -> Job:
    """Gives the job back unfinished; the attempt does not count. Raises LeaseLost.

    A job that is to be cancelled becomes cancelled. Repeated with the same lease it changes nothing.
    """
    if job.state in (JobState.PENDING, JobState.CANCELLED) and _same(job, replace(lease, attempt=lease.attempt - 1)):
        return job
    check_held(job, lease)
    if job.cancel_requested:
        return _ended(job, JobState.CANCELLED, now, attempt=job.attempt - 1)
    return _requeued(job, now, attempt=job.attempt - 1)


def expire(job: Job, *, now: datetime) -> Job:
    """Takes back a lease that was not renewed in time; any other job stays as it is.

    The job becomes cancelled if someone asked for it, pending if an attempt is left, else failed.
    """
    if job.state is not JobState.LEASED or job.expires_at is None or now < job.expires_at:
        return job
    failure = Failure(
        code=LEASE_EXPIRED,
        message=f"agent {job.agent_id} did not renew its lease of attempt {job.attempt} by {job.expires_at:%FT%TZ}",
    )
    failures = (*job.attempt_failures, failure)
    if job.cancel_requested:
        return _ended(job, JobState.CANCELLED, now, attempt_failures=failures, fencing_token=0)
    if job.attempt < job.max_attempts:
        return _requeued(job, now, attempt_failures=failures, fencing_token=0)
    return _ended(job, JobState.FAILED, now, failure=failure, attempt_failures=failures, fencing_token=0)


def cancel(job: Job, *, now: datetime) -> Job:
    """Cancels a pending job at once, asks the agent of a leased one; an ended one stays as it is."""
    if job.state is JobState.PENDING:
        return _ended(job, JobState.CANCELLED, now)
    if job.state is JobState.LEASED and not job.cancel_requested:
        return replace(job, cancel_requested=True, revision=job.revision + 1)
    return job


def check_held(job: Job, lease: Lease) -> None:
    """Raises LeaseLost unless that lease holds the job."""
    if job.state is JobState.LEASED and _same(job, lease):
        return
    if job.state is JobState.LEASED:
        state = f"is held by agent {job.agent_id} in attempt {job.attempt}"
    else:
        state = f"is {job.state}"
    raise LeaseLost(
        f"the lease of attempt {lease.attempt} (token {lease.fencing_token}) is lost: job {job.id} {state}; "
        "drop the work"
    )


def _same(job: Job, lease: Lease) -> bool:
    return lease.fencing_token > 0 and (job.id, job.attempt, job.fencing_token) == (
        lease.job_id,
        lease.attempt,
        lease.fencing_token,
    )


def _with(decisions: tuple[Decision, ...], decision: Decision) -> tuple[Decision, ...]:
    """The same decision once more, as when nobody can take the job, is no news."""
    last = decisions[-1] if decisions else None
    if last is not None and replace(last, at=decision.at) == decision:
        return decisions
    return (*decisions, decision)[-MOST_DECISIONS:]


def _requeued(job: Job, now: datetime, **changes: object) -> Job:
    values: dict[str, object] = {"state": JobState.PENDING, "progress": None, "expires_at": None}
    values |= {"queued_at": now, "placed_on": "", "revision": job.revision + 1}
    return replace(job, **(values | changes))  # type: ignore[arg-type]  # the names are those of Job


def _ended(job: Job, state: JobState, now: datetime, **changes: object) -> Job:
    values = {"state": state, "ended_at": now, "expires_at": None, "revision": job.revision + 1}
    return replace(job, **(values | changes))  # type: ignore[arg-type]  # the names are those of Job

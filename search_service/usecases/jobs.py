"""Use cases of jobs for people: submit, get, list, cancel, follow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from search_service.domain import jobs
from search_service.domain.catalog import Model, Page
from search_service.domain.errors import NotFound
from search_service.domain.jobs import Job, JobFilter, JobState
from search_service.domain.ports import UnitOfWork
from search_service.domain.profiling import JobSpec
from search_service.usecases.capability import check_capable
from search_service.usecases.counted_graphs import count_new_graphs
from search_service.usecases.fields import LONGEST_NAME, Reference, check_text, invalid
from search_service.usecases.job_specs import check_spec, needs_model
from search_service.usecases.models import resolve_model
from search_service.usecases.once import Once, fingerprint, run_once
from search_service.usecases.paging import decode_token, encode_token, page_size
from search_service.usecases.placing import Placer
from search_service.usecases.profiling import Profiling

DEFAULT_ATTEMPTS = 3
MOST_ATTEMPTS = 20
HIGHEST_PRIORITY = 100
LOOK_EVERY_S = 0.2


def submit_job(
    profiling: Profiling,
    request_id: str,
    spec: JobSpec,
    *,
    model: Reference | None = None,
    allow_waiting: bool = False,
    max_attempts: int = 0,
    priority: int = 0,
    experiment_id: str = "",
    submitted_by: str = "",
) -> Job:
    """Submits a job for the model of the spec, or the one referred to; 0 attempts mean 3.

    The higher `priority` goes first, always. `experiment_id` is what the job belongs to, "" for nothing; `submitted_by`
    the name of the caller's token, "" without one.

    Raises:
        InvalidArgument: a field of the spec is wrong, or the model has no artifact.
        NotFound: MODEL_NOT_FOUND.
        PreconditionFailed: NO_CAPABLE_AGENT, no registered agent could take it, unless `allow_waiting`.
    """
    checked = check_spec(spec)
    attempts = max_attempts or DEFAULT_ATTEMPTS
    if not 1 <= attempts <= MOST_ATTEMPTS:
        raise invalid("max_attempts", f"must be from 1 to {MOST_ATTEMPTS}, not {max_attempts}")
    if not -HIGHEST_PRIORITY <= priority <= HIGHEST_PRIORITY:
        raise invalid("priority", f"must be from {-HIGHEST_PRIORITY} to {HIGHEST_PRIORITY}, not {priority}")
    check_text("experiment_id", experiment_id, LONGEST_NAME)
    if model is None and checked.model_id:
        model = Reference(id=checked.model_id)
    if model is None and needs_model(checked):
        raise invalid("model", "must say which model: only the backends null and remote do without")

    if model is not None:
        _count_graph(profiling, model)

    def act(unit: UnitOfWork) -> tuple[str, Job]:
        found = None if model is None else _profilable(unit, model, checked)
        asked = replace(checked, model_id=found.id if found else "")
        if not allow_waiting:
            check_capable(checked, unit.agents.all(), profiling.clock(), profiling.gone_after)
        job = jobs.submit(
            profiling.new_id("job"),
            asked,
            max_attempts=attempts,
            now=profiling.clock(),
            model_name=f"{found.name}@{found.version}" if found else "",
            priority=priority,
            experiment_id=experiment_id,
            submitted_by=submitted_by,
        )
        job = Placer(profiling, unit).enqueue(job)
        return job.id, job

    content = (checked, model, allow_waiting, attempts, priority, experiment_id)
    once = Once.of("SubmitJob", request_id, content)
    return run_once(profiling, once, act, lambda unit, job_id: unit.jobs.get(job_id))


def _count_graph(profiling: Profiling, reference: Reference) -> None:
    """Of a model that is there; that it is not, the submission says."""
    try:
        with profiling.database.begin() as unit:
            found = resolve_model(unit, reference)
    except NotFound:
        return
    count_new_graphs(profiling, [found])


def get_job(profiling: Profiling, job_id: str) -> Job:
    """Raises NotFound (JOB_NOT_FOUND)."""
    with profiling.database.begin() as unit:
        return unit.jobs.get(job_id)


def list_jobs(profiling: Profiling, filter: JobFilter, size: int, token: str) -> tuple[Page[Job], str]:
    """A page of jobs, newest first, and the token of the next."""
    bound_to = fingerprint("ListJobs", filter)
    after = decode_token(bound_to, token, parts=1)
    with profiling.database.begin() as unit:
        page = unit.jobs.page(filter, after, page_size(size, default=50))
    return page, encode_token(bound_to, page.after)


def cancel_job(profiling: Profiling, job_id: str) -> Job:
    """Cancels a pending job at once, asks the agent of a leased one; an ended one stays as it is. Raises NotFound."""
    with profiling.database.begin() as unit:
        job = unit.jobs.lock(job_id)
        cancelled = jobs.cancel(job, now=profiling.clock())
        if cancelled is not job:
            unit.jobs.replace(cancelled)
            unit.commit()
    return cancelled


def cancel_jobs(profiling: Profiling, experiment_id: str) -> tuple[int, int]:
    """Cancels all jobs of an experiment as `cancel_job` does, all or none of them.

    Gives how many that waited are cancelled now, and how many agents are to be told. Raises InvalidArgument for "".
    """
    if not experiment_id:
        raise invalid("experiment_id", "must not be empty")
    with profiling.database.begin() as unit:
        try:
            experiment = unit.experiments.lock(experiment_id)
            unit.experiments.replace(replace(experiment, asking=False))  # or its search would go on
        except NotFound:
            pass  # jobs may carry any name
        unfinished = cancel_unfinished(unit, experiment_id, profiling.clock())
        unit.commit()
    waiting = sum(job.state is JobState.PENDING for job in unfinished)
    return waiting, len(unfinished) - waiting


def cancel_unfinished(unit: UnitOfWork, experiment_id: str, now: datetime) -> Sequence[Job]:
    """Cancels the jobs of an experiment that have not ended, as `cancel_job` does, and gives them as they were."""
    unfinished = unit.jobs.lock_unfinished_of(experiment_id)
    for job in unfinished:
        cancelled = jobs.cancel(job, now=now)
        if cancelled is not job:
            unit.jobs.replace(cancelled)
    return unfinished


def wait_for_change(profiling: Profiling, job_id: str, revision: int, timeout_s: float) -> Job:
    """The job as soon as its revision is another one, or as it is after the time, or when the service stops.

    It looks at the database, so it sees what any replica writes. Whoever follows a job calls it again until the job's
    state has ended. Raises NotFound.
    """
    ends = profiling.clock() + timedelta(seconds=timeout_s)
    while True:
        with profiling.database.begin() as unit:
            if unit.jobs.revision(job_id) != revision:
                return unit.jobs.get(job_id)
        left_s = (ends - profiling.clock()).total_seconds()
        if left_s <= 0 or profiling.wait(min(LOOK_EVERY_S, left_s)):
            return get_job(profiling, job_id)


def _profilable(unit: UnitOfWork, reference: Reference, spec: JobSpec) -> Model:
    model = resolve_model(unit, reference)
    if spec.model_id not in ("", model.id):
        raise invalid("spec.model_id", f"is {spec.model_id!r}, but the model referred to is {model.id!r}")
    if needs_model(spec) and (model.artifact.format == "none" or not (model.artifact.stored or model.artifact.uri)):
        raise invalid(
            "model",
            f"'{model.name}@{model.version}' has no artifact to compile: profile it where it is served, with the "
            "backend remote",
        )
    return model

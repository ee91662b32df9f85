"""The use case that submits a benchmark file: what is measured already stays, what runs goes on, the rest is asked for.

Models that the file has generated are registered first, each on its own, like any model. Then the experiment, its cells
and its jobs become visible together or not at all.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

from msearch_experiments import Plan
from search_service.domain import jobs as transitions
from search_service.domain.errors import AlreadyExists
from search_service.domain.jobs import Job
from search_service.domain.ports import UnitOfWork
from search_service.usecases.benchmark_plans import read_plan
from search_service.usecases.experiment_drafts import Draft, SubmitOptions, draft
from search_service.usecases.experiment_jobs import PlannedJob
from search_service.usecases.experimenting import Experimenting
from search_service.usecases.experiments import SeenExperiment, see_experiment
from search_service.usecases.jobs import DEFAULT_ATTEMPTS
from search_service.usecases.once import Once, run_once
from search_service.usecases.register_model import NewModel, register_model
from search_service.usecases.sizes import estimate_size
from search_service.usecases.uploads import Upload

_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """An experiment as it is after its submission, and what that did; None where it was repeated by request id."""

    seen: SeenExperiment
    draft: Draft | None


def draft_experiment(work: Experimenting, document: str, options: SubmitOptions) -> Draft:
    """What `submit_experiment` would do. Changes nothing; raises the same."""
    plan = read_plan(document, confirmed=options.confirm)
    with work.profiling.database.begin() as unit:
        return draft(work, unit, plan, options)


def submit_experiment(
    work: Experimenting, request_id: str, document: str, options: SubmitOptions, *, submitted_by: str = ""
) -> Submission:
    """Submits a benchmark file.

    Raises:
        InvalidArgument: INVALID_BENCHMARK, or a field of a job is wrong.
        PreconditionFailed: CONFIRMATION_REQUIRED for a large grid; NO_CAPABLE_AGENT unless `allow_waiting`.
        ResourceExhausted: the grid, or a generated model, is larger than the service accepts.
        NotFound: MODEL_NOT_FOUND.
    """
    plan = read_plan(document, confirmed=options.confirm)
    once = Once.of("SubmitExperiment", request_id, (document, options))
    with work.profiling.database.begin() as unit:
        missing = draft(work, unit, plan, options).missing
    for identity in missing:
        make_model(work, plan, identity)

    def act(unit: UnitOfWork) -> tuple[str, Submission]:
        drafted = draft(work, unit, plan, options, lock=True)
        experiment_id = _store(work, unit, drafted, submitted_by)
        return experiment_id, Submission(seen=see_experiment(unit, unit.experiments.get(experiment_id)), draft=drafted)

    def recall(unit: UnitOfWork, experiment_id: str) -> Submission:
        return Submission(seen=see_experiment(unit, unit.experiments.get(experiment_id)), draft=None)

    # Two callers may bring the same new file at once: the slower one finds it at its second attempt.
    return run_once(work.profiling, once, act, recall, retry_on=(AlreadyExists,))


def make_model(work: Experimenting, plan: Plan, identity: str) -> None:
    """Makes a canonical model of the plan and registers it, unless someone has just done so."""
    made = work.canonical_models.make(plan.generated[identity])
    upload = Upload(hashlib.sha256(made.artifact).hexdigest(), len(made.artifact))
    try:
        register_model(work.registry, "", NewModel(card=made.card, location=upload), _chunks(made.artifact))
    except AlreadyExists:
        return


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sends the jobs of an experiment, and how urgent they are."""

    priority: int
    submitted_by: str


def add_job(work: Experimenting, unit: UnitOfWork, planned: PlannedJob, experiment_id: str, sender: Sender) -> Job:
    """Adds a job of an experiment."""
    job = transitions.submit(
        work.profiling.new_id("job"),
        planned.spec,
        max_attempts=DEFAULT_ATTEMPTS,
        now=work.profiling.clock(),
        model_name=planned.model_name if planned.spec.model_id else "",
        priority=sender.priority,
        experiment_id=experiment_id,
        submitted_by=sender.submitted_by,
        estimate=estimate_size(planned.spec),
    )
    unit.jobs.add(job)
    return job


def _store(work: Experimenting, unit: UnitOfWork, drafted: Draft, submitted_by: str) -> str:
    experiment = replace(drafted.experiment, submitted_by=submitted_by, cancelled_at=None)
    if drafted.before is None:
        experiment = replace(experiment, id=work.profiling.new_id("exp"))
    sender = Sender(drafted.plan.benchmark.priority, submitted_by)
    cells = {seen.cell.position: seen.cell for seen in drafted.after}
    for planned in drafted.jobs:
        job = add_job(work, unit, planned, experiment.id, sender)
        cells |= {position: replace(cells[position], job_id=job.id) for position in planned.positions}
    if drafted.before is None:
        unit.experiments.add(experiment, tuple(cells.values()))
    else:
        changed = [cell for cell, was in zip(cells.values(), drafted.before.cells, strict=True) if cell != was.cell]
        unit.experiments.replace(experiment, changed)
    return experiment.id


def _chunks(data: bytes) -> Iterator[bytes]:
    for start in range(0, len(data), _CHUNK_BYTES):
        yield data[start : start + _CHUNK_BYTES]

"""The use case that submits a benchmark file: what is measured already stays, what runs goes on, the rest is asked for.

Models that the file has generated are registered first, each on its own, like any model. Then the experiment, all its
cells and its first jobs become visible together or not at all; `advance_experiments` asks for what is left.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from search_service.domain.errors import AlreadyExists
from search_service.domain.ports import UnitOfWork
from search_service.usecases.advance_experiments import advance_experiment
from search_service.usecases.benchmark_plans import find_models, read_plan
from search_service.usecases.canonical_models import register_canonical
from search_service.usecases.counted_graphs import count_new_graphs
from search_service.usecases.experiment_drafts import Draft, SubmitOptions, draft
from search_service.usecases.experiment_jobs import MOST_JOBS_AT_ONCE, add_jobs
from search_service.usecases.experimenting import Experimenting
from search_service.usecases.experiments import SeenExperiment, get_experiment, see_experiment
from search_service.usecases.once import Once, run_once


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
    register_canonical(work, plan, missing)
    with work.profiling.database.begin() as unit:
        models = [model for model in find_models(unit, plan).values() if model is not None]
    count_new_graphs(work.profiling, models)

    def act(unit: UnitOfWork) -> tuple[str, Submission]:
        drafted = draft(work, unit, plan, options, lock=True)
        experiment_id = _store(work, unit, drafted, submitted_by)
        return experiment_id, Submission(seen=see_experiment(unit, unit.experiments.get(experiment_id)), draft=drafted)

    def recall(unit: UnitOfWork, experiment_id: str) -> Submission:
        return Submission(seen=see_experiment(unit, unit.experiments.get(experiment_id)), draft=None)

    # Two callers may bring the same new file at once: the slower one finds it at its second attempt.
    done = run_once(work.profiling, once, act, recall, retry_on=(AlreadyExists,))
    if done.draft is None or not done.draft.searches:
        return done
    advance_experiment(work, done.seen.experiment.id)
    return replace(done, seen=get_experiment(work, done.seen.experiment.id))


def _store(work: Experimenting, unit: UnitOfWork, drafted: Draft, submitted_by: str) -> str:
    jobs = () if drafted.searches else drafted.jobs[:MOST_JOBS_AT_ONCE]
    retrying = drafted.plan.benchmark.retries > 0 and bool(jobs or drafted.running)
    asking = drafted.searches or len(jobs) < len(drafted.jobs) or retrying
    experiment = replace(drafted.experiment, submitted_by=submitted_by, cancelled_at=None, asking=asking)
    if drafted.before is None:
        experiment = replace(experiment, id=work.profiling.new_id("exp"))
    given = add_jobs(work.profiling, unit, experiment, jobs, priority=drafted.plan.benchmark.priority)
    cells = [replace(seen.cell, job_id=given.get(seen.cell.position, seen.cell.job_id)) for seen in drafted.after]
    if drafted.before is None:
        unit.experiments.add(experiment, cells)
    else:
        changed = [cell for cell, was in zip(cells, drafted.before.cells, strict=True) if cell != was.cell]
        unit.experiments.replace(experiment, changed)
    return experiment.id

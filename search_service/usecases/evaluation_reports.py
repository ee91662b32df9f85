"""Use case of agents: end an evaluate job with the outputs of its model."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from search_service.domain import jobs
from search_service.domain.access import Caller
from search_service.domain.errors import InvalidArgument
from search_service.domain.evaluation import MeasuredBy
from search_service.domain.jobs import Job, Lease
from search_service.domain.ports import UnitOfWork
from search_service.usecases.accounting import end_lease
from search_service.usecases.evaluation_samples import load_points
from search_service.usecases.evaluations import Finding, check_classes, record
from search_service.usecases.evidence import Evidence
from search_service.usecases.fields import check_text, invalid
from search_service.usecases.leases import LONGEST_MESSAGE, check_owner
from search_service.usecases.once import CHANGED_MEANWHILE, Once, run_once
from search_service.usecases.outputs import check_shape, read_outputs
from search_service.usecases.uploads import store_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationReport:
    """What an agent reports, but for the probabilities. How many rows were skipped is counted from those."""

    classes: tuple[str, ...]
    row_count: int
    noisy_predictions: bytes = b""
    problem: str = ""


def complete_evaluation(
    evidence: Evidence, caller: Caller | None, lease: Lease, report: EvaluationReport, chunks: Iterable[bytes]
) -> Job:
    """Ends the job with outputs, stored together with its new state.

    The bytes are read after the lease was checked. Repeated with the same lease it stores nothing and answers the same.

    Raises:
        InvalidArgument: it is no evaluate job, or INVALID_DATA.
        NotFound: JOB_NOT_FOUND, or EVALUATION_SAMPLE_NOT_FOUND: the sample was deleted or has expired.
        LeaseLost, PermissionDenied: as `leases.renew_lease`.
        PreconditionFailed: DISJOINT_CLASSES.
        ResourceExhausted: TOO_LARGE.
    """
    with evidence.database.begin() as unit:
        job = unit.jobs.get(lease.job_id)
        if not jobs.completed_before(job, lease):
            jobs.check_held(job, lease)
        check_owner(unit, caller, job)
        if jobs.completed_before(job, lease):
            return job
        spec = job.spec.evaluate
        if spec is None:
            raise _no_evaluate_job(job)
        model, sample = unit.models.get(job.spec.model_id), unit.evaluation_samples.get(spec.sample_id)
    shape = check_shape(report.row_count, report.classes, expected_rows=sample.row_count, model_classes=model.classes)
    outputs = read_outputs(shape, chunks, report.noisy_predictions, model_classes=model.classes)
    finding = Finding(
        model=model,
        sample=sample,
        outputs=outputs,
        points=load_points(evidence, sample),
        measured_by=MeasuredBy.AGENT,
        job_id=job.id,
        problem=check_text("outputs.problem", report.problem[:LONGEST_MESSAGE], LONGEST_MESSAGE),
    )
    check_classes(finding)
    with store_bytes(evidence.registry, outputs.encode()) as arrived:

        def act(unit: UnitOfWork) -> tuple[str, Job]:
            held = unit.jobs.lock(lease.job_id)
            if jobs.completed_before(held, lease):
                return held.id, held
            jobs.check_held(held, lease)
            arrived.publish(unit)
            record(evidence, unit, finding)
            done = jobs.complete(held, lease, (), now=evidence.registry.clock())
            done = end_lease(evidence.profiling, unit, held, done)
            return done.id, done

        once = Once.of("CompleteEvaluation", "", None)
        return run_once(
            evidence.registry, once, act, lambda unit, job_id: unit.jobs.get(job_id), retry_on=CHANGED_MEANWHILE
        )


def _no_evaluate_job(job: Job) -> InvalidArgument:
    return invalid("lease.job_id", f"job {job.id} asks for profiles, not for outputs: report it with CompleteJob")

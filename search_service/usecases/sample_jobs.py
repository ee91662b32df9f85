"""What becomes of evaluate jobs whose sample is deleted."""

from __future__ import annotations

from search_service.domain.jobs import Job, JobFilter, JobState
from search_service.domain.ports import UnitOfWork
from search_service.usecases.jobs import cancel_job
from search_service.usecases.profiling import Profiling

_AT_ONCE = 1000


def cancel_evaluations(profiling: Profiling, sample_id: str) -> int:
    """Cancels the pending jobs on the sample, asks the agents of leased ones, and says how many."""
    with profiling.database.begin() as unit:
        found = [job for state in (JobState.PENDING, JobState.LEASED) for job in _on_sample(unit, state, sample_id)]
    for job in found:
        cancel_job(profiling, job.id)
    return len(found)


def _on_sample(unit: UnitOfWork, state: JobState, sample_id: str) -> list[Job]:
    found: list[Job] = []
    after: tuple[str, ...] | None = None
    while True:
        page = unit.jobs.page(JobFilter(state=state), after, _AT_ONCE)
        found += [job for job in page.items if job.spec.evaluate and job.spec.evaluate.sample_id == sample_id]
        if page.after is None:
            return found
        after = page.after

"""Estimates of jobs that wait, revised as other jobs end."""

from __future__ import annotations

from dataclasses import replace

from msearch_scheduling.sizes import JobShape
from search_service.domain.jobs import Job, SizeEstimate
from search_service.usecases.profiling import Profiling
from search_service.usecases.sizes import Sizer

REVISED_AT_ONCE = 100
WORTH_WRITING = 0.1
"""An estimate that changes by less, as a share of it, stays."""


class Reviser:
    """Goes through the queue, some jobs at a time, and again once more jobs have ended.

    Any number of replicas may do so at once: what one has revised, the others find right.
    """

    def __init__(self, profiling: Profiling) -> None:
        self._profiling = profiling
        self._number = 0
        self._known = 0

    def revise(self) -> int:
        """Estimates the next jobs again and says how many estimates changed."""
        with self._profiling.database.begin() as unit:
            if not self._number:
                ended = unit.scheduling.learned().law.count
                if ended == self._known:
                    return 0
                self._known = ended
            following = unit.queue.after(self._number, REVISED_AT_ONCE)
            sizer = Sizer(unit)
            looked_at = [unit.jobs.get(job_id) for _, job_id in following]
            found = [(job, *sizer.estimate(job.spec)) for job in looked_at]
        self._number = following[-1][0] if len(following) == REVISED_AT_ONCE else 0
        # Only what is worth it is locked.
        return sum(
            self._write(job.id, shape, estimate) for job, shape, estimate in found if _is_worth_it(job, estimate)
        )

    def _write(self, job_id: str, shape: JobShape, estimate: SizeEstimate) -> bool:
        with self._profiling.database.begin() as unit:
            job = unit.jobs.lock_pending(job_id)
            if job is None:
                return False
            unit.jobs.replace(replace(job, shape=shape, estimate=estimate))
            unit.commit()
        return True


def _is_worth_it(job: Job, estimate: SizeEstimate) -> bool:
    change_s = abs(estimate.seconds - job.estimate.seconds)
    return change_s > WORTH_WRITING * job.estimate.seconds or estimate.predicted != job.estimate.predicted

"""Estimates of jobs that wait, revised as other jobs end."""

from __future__ import annotations

from dataclasses import replace

from search_service.domain.errors import NotFound
from search_service.domain.jobs import Job
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
        self._number = following[-1][0] if len(following) == REVISED_AT_ONCE else 0
        return sum(self._revise(job_id) for _, job_id in following)

    def _revise(self, job_id: str) -> bool:
        with self._profiling.database.begin() as unit:
            try:
                job = unit.jobs.get(job_id)
            except NotFound:
                return False
            shape, estimate = Sizer(unit).estimate(job.spec)
            change_s = abs(estimate.seconds - job.estimate.seconds)
            if change_s <= WORTH_WRITING * job.estimate.seconds and estimate.predicted == job.estimate.predicted:
                return False
            # Only what is worth it is locked, and then as it is now.
            pending: Job | None = unit.jobs.lock_pending(job_id)
            if pending is None:
                return False
            unit.jobs.replace(replace(pending, shape=shape, estimate=estimate))
            unit.commit()
        return True

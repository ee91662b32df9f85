"""Use cases that take leases back, and what keeps a clock that is set from costing anybody a lease.

A lease ends at a time of day, so that every replica and every restart sees the same end. Somebody may set the clock all
the same: an operator, NTP after a boot, a machine that slept. Set forward, every lease would seem to have run out;
set back, a lost agent would hold its job for as long.
"""

from __future__ import annotations

from datetime import datetime

from search_service.domain import jobs
from search_service.usecases.accounting import end_lease
from search_service.usecases.profiling import Profiling

EXPIRED_AT_ONCE = 500

SET_BY = 1 / 3
"""A clock that moved by this share of a lease against one that nobody sets was set: agents renew as often."""


class LeaseKeeper:
    """Takes back the leases that were not renewed in time, whatever happens to the clock.

    Any number of replicas may do it at once, every few seconds. A service that was down does it first one lease
    duration after its start, so that the agents that went on working can renew; after its clock was set it waits as
    long, for the same reason.
    """

    def __init__(self, profiling: Profiling) -> None:
        self._profiling = profiling
        self._apart_s = profiling.clock().timestamp() - profiling.monotonic()
        self._rests_until = float("-inf")

    def take_back(self) -> int:
        """Looks once, and says how many were taken back."""
        now, ticks = self._profiling.clock(), self._profiling.monotonic()
        apart_s = now.timestamp() - ticks
        set_by_s, self._apart_s = apart_s - self._apart_s, apart_s
        lease_s = self._profiling.lease_duration.total_seconds()
        if abs(set_by_s) >= SET_BY * lease_s:
            self._rests_until = ticks + lease_s
            if set_by_s < 0:
                self._shorten(now)
        return 0 if ticks < self._rests_until else expire_leases(self._profiling, now)

    def _shorten(self, now: datetime) -> None:
        """Lets no lease end later than one that was given now."""
        latest = now + self._profiling.lease_duration
        with self._profiling.database.begin() as unit:
            held = unit.jobs.held()
        for one in held:
            with self._profiling.database.begin() as unit:
                job = unit.jobs.lock(one.job_id)
                changed = jobs.shorten(job, latest)
                if changed is not job:
                    unit.jobs.replace(changed)
                    unit.commit()


def expire_leases(profiling: Profiling, now: datetime) -> int:
    """Takes back the leases that had ended by `now` and says how many."""
    with profiling.database.begin() as unit:
        due = unit.jobs.expired(now, EXPIRED_AT_ONCE)
    taken_back = 0
    for job_id in due:
        with profiling.database.begin() as unit:
            job = unit.jobs.lock(job_id)
            changed = jobs.expire(job, now=now)
            if changed is not job:
                end_lease(profiling, unit, job, changed)
                unit.commit()
                taken_back += 1
    return taken_back

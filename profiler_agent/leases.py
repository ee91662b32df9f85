"""Keeps a lease alive while its job is worked on, and carries progress along."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import grpc
import structlog

from msearch.v1 import agent_service_pb2 as agents
from profiler_agent import wire
from profiler_agent.connection import CALL_TIMEOUT_S, Connection, lease_is_lost
from profiler_agent.work import Lease, Progress

PROGRESS_GAP_S = 0.5
PROGRESS_TIMEOUT_S = 5.0
RETRY_S = 1.0
SHORTEST_TIMEOUT_S = 0.5

_log = structlog.get_logger()


class LeaseKeeper:
    """Renews from a thread of its own, after a third of the lease. `stop` is set when the work must end.

    Then `cancelled` says that someone asked for it, `lost` that the job is no longer this agent's. While the service
    does not answer the work goes on until the lease must have run out, by this host's own clock and counted from before
    the call that was last answered.
    """

    def __init__(
        self,
        connection: Connection,
        lease: Lease,
        stop: threading.Event,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connection = connection
        self._lease = lease
        self._stop = stop
        self._monotonic = monotonic
        self._changed = threading.Condition()
        self._progress: Progress | None = None
        self._closed = False
        self.cancelled = False
        self.lost = False
        self._count_from(monotonic())
        self._told_at = 0.0
        self._thread = threading.Thread(target=self._keep, name="msearch-lease", daemon=True)

    def __enter__(self) -> LeaseKeeper:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def report(self, progress: Progress) -> None:
        """Sends the progress soon; only the newest counts."""
        with self._changed:
            self._progress = progress
            self._changed.notify()

    def lose(self) -> None:
        """The service said that the lease is lost."""
        self.lost = True
        self._stop.set()

    def _keep(self) -> None:
        while True:
            with self._changed:
                if not self._closed:
                    self._changed.wait(self._pause())
                if self._closed:
                    return
                progress = self._take_progress()
            if progress is not None:
                self._tell(progress)
            if self._monotonic() >= self._renew_at:
                self._renew()
            if self.lost:
                return

    def _pause(self) -> float:
        now = self._monotonic()
        wake_at = self._renew_at
        if self._progress is not None:
            wake_at = min(wake_at, self._told_at + PROGRESS_GAP_S)
        return max(wake_at - now, 0.0)

    def _take_progress(self) -> Progress | None:
        now = self._monotonic()
        if self._progress is None or now < self._told_at + PROGRESS_GAP_S:
            return None
        progress, self._progress, self._told_at = self._progress, None, now
        return progress

    def _count_from(self, begun: float) -> None:
        self._renew_at, self._ends_at = begun + self._lease.duration_s / 3, begun + self._lease.duration_s

    def _timeout(self, most_s: float) -> float:
        """A call that hangs must not hide that the lease has run out."""
        return max(min(most_s, self._ends_at - self._monotonic()), SHORTEST_TIMEOUT_S)

    def _tell(self, progress: Progress) -> None:
        request = agents.ReportProgressRequest(
            lease=wire.write_lease(self._lease), progress=wire.write_progress(progress)
        )
        try:
            self._connection.call(
                self._connection.stub.ReportProgress, request, timeout_s=self._timeout(PROGRESS_TIMEOUT_S)
            )
        except grpc.RpcError as error:
            if lease_is_lost(error):
                self.lose()

    def _renew(self) -> None:
        begun = self._monotonic()
        request = agents.RenewLeaseRequest(lease=wire.write_lease(self._lease))
        try:
            answer = self._connection.call(
                self._connection.stub.RenewLease, request, timeout_s=self._timeout(CALL_TIMEOUT_S)
            )
        except grpc.RpcError as error:
            if lease_is_lost(error):
                _log.warning("lease_lost", job_id=self._lease.job_id)
                self.lose()
            elif self._monotonic() >= self._ends_at:
                # The service has given the job to someone else by now, or will before it hears of us again.
                _log.warning("lease_ran_out", job_id=self._lease.job_id)
                self.lose()
            self._renew_at = self._monotonic() + RETRY_S
            return
        self._count_from(begun)
        if answer.cancel:
            self.cancelled = True
            self._stop.set()

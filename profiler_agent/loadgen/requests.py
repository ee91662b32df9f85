"""What became of the requests of a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Times = NDArray[np.int64]

_NEVER = np.int64(-1)


@dataclass(frozen=True, kw_only=True, eq=False)
class Requests:
    """Times in nanoseconds since the start of the run, one entry a request, in the order of the schedule. [n]

    `scheduled_ns`: when it was due; `sent_ns`: when it was handed to the target's queue; `started_ns`, `finished_ns`:
    of the call that answered it, whose size in samples `batch_sizes` holds. A request that raised, or was not answered
    before the run was given up, is `failed`; `first_error` says how. `capped`: the cap on requests in flight was hit
    and no more were sent. `stopped_early`: the longest duration was reached first.
    """

    scheduled_ns: Times
    sent_ns: Times
    started_ns: Times
    finished_ns: Times
    batch_sizes: NDArray[np.int32]
    failed: NDArray[np.bool_]
    first_error: str = ""
    capped: bool = False
    schedule_digest: str = ""
    stopped_early: bool = False

    @property
    def count(self) -> int:
        """Number of requests."""
        return int(self.scheduled_ns.size)

    @property
    def response_ns(self) -> Times:
        """From the scheduled time to the answer: the headline. A stall counts against every request it delayed."""
        return self.finished_ns - self.scheduled_ns

    @property
    def service_ns(self) -> Times:
        """From the start of execution to the answer."""
        return self.finished_ns - self.started_ns

    @property
    def queue_ns(self) -> Times:
        """From the scheduled time to the start of execution."""
        return self.started_ns - self.scheduled_ns

    @property
    def dispatch_ns(self) -> Times:
        """The generator's own delay: from the scheduled time to the sending."""
        return self.sent_ns - self.scheduled_ns


@dataclass(slots=True, eq=False)
class Log:
    """The columns of `Requests` while they are written: buffers, since a numpy element costs twice as much."""

    scheduled: Any
    sent: Any
    started: Any
    finished: Any
    batch: Any
    failed: Any
    arrays: dict[str, NDArray[Any]]
    first_error: str = ""

    @classmethod
    def of(cls, scheduled_ns: Times) -> Log:
        """An empty log of these scheduled times."""
        count = scheduled_ns.size
        arrays: dict[str, NDArray[Any]] = {
            "scheduled_ns": np.ascontiguousarray(scheduled_ns, np.int64),
            "sent_ns": np.zeros(count, np.int64),
            "started_ns": np.full(count, _NEVER),
            "finished_ns": np.full(count, _NEVER),
            "batch_sizes": np.ones(count, np.int32),
            "failed": np.zeros(count, np.bool_),
        }
        views = {name: memoryview(column.data) for name, column in arrays.items()}
        return cls(
            scheduled=views["scheduled_ns"],
            sent=views["sent_ns"],
            started=views["started_ns"],
            finished=views["finished_ns"],
            batch=views["batch_sizes"],
            failed=views["failed"],
            arrays=arrays,
        )

    def requests(self, count: int, *, ended_ns: int, **facts: Any) -> Requests:
        """The first `count` requests; those unanswered at the end of the run failed, and took at least until then."""
        columns = {name: column[:count].copy() for name, column in self.arrays.items()}
        unanswered = columns["finished_ns"] == _NEVER
        if unanswered.any():
            self.fail(f"{int(np.count_nonzero(unanswered))} requests were not answered in time")
            columns["failed"] |= unanswered
            columns["finished_ns"][unanswered] = ended_ns
            columns["started_ns"][unanswered & (columns["started_ns"] == _NEVER)] = ended_ns
        return Requests(**columns, first_error=self.first_error, **facts)  # type: ignore[arg-type]  # columns by name

    def fail(self, error: BaseException | str) -> None:
        """Remembers the first error."""
        if not self.first_error:
            self.first_error = error if isinstance(error, str) else f"{type(error).__name__}: {error}"

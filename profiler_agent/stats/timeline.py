"""When each request of a run was scheduled, sent, started and finished: what the validity rules look at."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Times = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """The requests that were answered, in the order of their schedule; nanoseconds on one monotonic clock.

    `failed` counts those that raised and are left out. `open_loop`: they came by a schedule, whatever was unanswered;
    otherwise a client sent the next when one was answered, or (`all_at_once`) all waited from the start.
    """

    scheduled: Times
    sent: Times
    started: Times
    finished: Times
    failed: int
    open_loop: bool
    all_at_once: bool

    @property
    def count(self) -> int:
        """Answered requests."""
        return int(self.scheduled.size)

    @cached_property
    def latency(self) -> Times:
        """What a client saw: from the schedule; from the start of execution where all requests waited at once."""
        return self.finished - (self.started if self.all_at_once else self.scheduled)

    @cached_property
    def finished_in_order(self) -> Times:
        """Finishing times, ascending."""
        return np.sort(self.finished)

    @property
    def begin(self) -> int:
        """When the first request was due."""
        return int(self.scheduled[0])

    @property
    def span_s(self) -> float:
        """From the first request's schedule to the last answer, in seconds."""
        return (int(self.finished.max()) - self.begin) / 1e9


def timeline(
    scheduled_ns: ArrayLike,
    sent_ns: ArrayLike,
    started_ns: ArrayLike,
    finished_ns: ArrayLike,
    failed: ArrayLike,
    *,
    open_loop: bool,
    all_at_once: bool = False,
) -> Timeline:
    """Puts the answered requests in order. Raises ValueError if the arrays differ in length."""
    bad = np.asarray(failed, dtype=np.bool_)
    columns: list[NDArray[Any]] = [np.asarray(c, np.int64) for c in (scheduled_ns, sent_ns, started_ns, finished_ns)]
    if any(column.shape != bad.shape for column in columns):
        raise ValueError(f"times of one run have the lengths {[column.size for column in columns]} and {bad.size}")
    order = np.argsort(columns[0][~bad], kind="stable")
    answered = [column[~bad][order] for column in columns]
    scheduled, sent, started, finished = answered
    return Timeline(
        scheduled=scheduled,
        sent=sent,
        started=started,
        finished=finished,
        failed=int(bad.sum()),
        open_loop=open_loop,
        all_at_once=all_at_once,
    )

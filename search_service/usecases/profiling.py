"""What the use cases of profiling work with."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from msearch_scheduling.conduct import ConductRules
from msearch_scheduling.ordering import OrderRules
from search_service.domain.graph_counts import CountGraphs
from search_service.domain.ports import BlobStore, Clock, Database, NewId


def _tell_nobody() -> None:
    """Nothing in this process caches what profiling writes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profiling:
    """The collaborators of the use cases of jobs, agents and profiles.

    `wait` sleeps for so many seconds and says whether the service is stopping, in which case it returns at once. It
    stands between two looks at the database of whoever waits for a change. `monotonic` gives the seconds of a clock
    that nobody sets, for what lasts within this process. `touch_every`: how often it is noted that
    an agent was heard of, at most; an agent not heard of for `gone_after` is gone. `order` and `conduct` are the rules
    of the scheduler. `count_graphs` counts what artifacts take before the first job of their models; None never.
    """

    database: Database
    blobs: BlobStore
    clock: Clock
    new_id: NewId
    wait: Callable[[float], bool]
    monotonic: Callable[[], float] = time.monotonic
    committed: Callable[[], None] = _tell_nobody
    count_graphs: CountGraphs | None = None
    lease_duration: timedelta = timedelta(seconds=30)
    poll_interval: timedelta = timedelta(seconds=1)
    touch_every: timedelta = timedelta(seconds=10)
    gone_after: timedelta = timedelta(seconds=60)
    order: OrderRules = field(default_factory=OrderRules)
    conduct: ConductRules = field(default_factory=ConductRules)

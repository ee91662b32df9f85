"""Experiments: what became of a benchmark file."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from msearch_client._jobs import Failure
from msearch_client._profiles import Profile
from msearch_client._records import Record
from msearch_client._variants import Variant


class ExperimentState(StrEnum):
    """Where an experiment stands."""

    RUNNING = "running"
    FINISHED = "finished"
    CANCELLED = "cancelled"


class CellState(StrEnum):
    """Where a cell stands.

    open (not asked for yet, by a search or as one of many), waiting (its job waits), running, measured (VALID), invalid
    (its profile is INVALID), failed (no profile), cancelled.
    """

    OPEN = "open"
    WAITING = "waiting"
    RUNNING = "running"
    MEASURED = "measured"
    INVALID = "invalid"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class CellCounts(Record):
    """How many cells of an experiment stand where.

    `reused` of those measured have a profile from before; `retried` of all were measured again because it was INVALID.
    """

    total: int
    open: int = 0
    waiting: int = 0
    running: int = 0
    measured: int = 0
    invalid: int = 0
    failed: int = 0
    cancelled: int = 0
    reused: int = 0
    retried: int = 0

    @property
    def ended(self) -> int:
        """Cells that will not change any more."""
        return self.measured + self.invalid + self.failed + self.cancelled


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchProgress(Record):
    """How far a search is: `asked` of at most `trials` cells; `best_position` is the best that keeps all limits."""

    optimise: str
    require: tuple[str, ...]
    trials: int
    asked: int
    best_position: int | None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Experiment(Record):
    """An experiment.

    `digest` is that of what its benchmark file means; `document` the file as JSON, empty in lists. `ended_at` is None
    as long as it runs; `search` where it looks for the best cell instead of measuring all.
    """

    id: str
    digest: str
    name: str
    document: str
    state: ExperimentState
    cells: CellCounts
    job_count: int
    submitted_by: str
    created_at: datetime
    ended_at: datetime | None
    search: SearchProgress | None

    @property
    def ended(self) -> bool:
        """Whether nothing will change any more."""
        return self.state is not ExperimentState.RUNNING

    def __repr__(self) -> str:
        return f"Experiment({self.id}, {self.name or 'unnamed'}, {self.state}, {self.cells.ended}/{self.cells.total})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell(Record):
    """One model in one variant under one load on one class of hosts.

    `model_name` is "name@version", empty for the backends null and remote; `host_class` a beginning of one, empty for
    any; `profile` comes without histogram and runs; `retries` is how often it was measured again because its profile
    was INVALID.
    """

    position: int
    model_name: str
    model_id: str
    variant: Variant
    load_text: str
    host_class: str
    remote_target: str
    state: CellState
    reused: bool
    job_id: str
    profile: Profile | None
    failure: Failure | None
    retries: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentPlan(Record):
    """What a submission did, or would do.

    Of `cell_count` cells `reused_count` keep a stored profile, `running_count` wait or run already, `new_count` are
    measured by `job_count` new jobs. `work_s` is the estimated time of these, one after another; `estimated_s` until
    the last has ended on the agents that are there, None where one fits no agent. `cells` are the first 1,000.
    """

    cell_count: int
    reused_count: int
    running_count: int
    new_count: int
    job_count: int
    work_s: float
    estimated_s: float | None
    generated_models: tuple[str, ...]
    cells: tuple[Cell, ...]

    @property
    def estimated(self) -> timedelta | None:
        """As `estimated_s`."""
        return None if self.estimated_s is None else timedelta(seconds=self.estimated_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission(Record):
    """An experiment, and what its submission did."""

    experiment: Experiment
    plan: ExperimentPlan

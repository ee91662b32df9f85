"""Experiments: a benchmark file as a grid of cells, and where each of them stands.

An experiment keeps no state of its own that a job or a profile has too: where a cell stands follows from its job and
the profiles that the job gave. So an agent's report, a lost lease or a restart changes it at once and everywhere, and
nothing is counted twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from search_service.domain.jobs import Failure, Job, JobState
from search_service.domain.loads import format_load
from search_service.domain.profiling import Load, Profile, Variant

RETRIED_RULES = frozenset(
    {"disturbed", "throttled", "memory_pressure", "late_generator", "rate_missed", "unsteady", "littles_law"}
)
"""Validity rules that a run may keep another time: what the host did meanwhile, or what noise looks like.

A run that was too short, was cut short, or had requests that failed would break the same rule again.
"""

NO_PROFILE = "no_profile"
PROFILE_GONE = "profile_gone"


class ExperimentState(StrEnum):
    """Where an experiment stands."""

    RUNNING = "running"
    FINISHED = "finished"
    CANCELLED = "cancelled"


class CellState(StrEnum):
    """Where a cell stands; the meaning of each is in benchmark_service.proto."""

    OPEN = "open"
    WAITING = "waiting"
    RUNNING = "running"
    MEASURED = "measured"
    INVALID = "invalid"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def active(self) -> bool:
        """Whether a job is about to change it."""
        return self in (CellState.WAITING, CellState.RUNNING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One model in one variant under one load on one class of hosts (`host_class` is a beginning; "" for any).

    `job_id` is its last job, "" before it was asked for; `profile_id` the stored profile that made a job needless.
    `model_id` is "" for the backends without a model, and where the model is not registered yet. `retries`: how often
    it was asked for again because its profile was INVALID.
    """

    position: int
    model_name: str
    model_id: str
    variant: Variant
    load: Load
    host_class: str = ""
    remote_target: str = ""
    job_id: str = ""
    profile_id: str = ""
    retries: int = 0

    def is_measured_by(self, profile: Profile) -> bool:
        """Whether a profile is of this variant under this load. A device that is left open, the agent fills in."""
        same_load = profile.load_text == format_load(self.load) and profile.load.trace_s == self.load.trace_s
        measured = profile.variant if self.variant.device else replace(profile.variant, device="")
        return same_load and measured == self.variant


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """An experiment. `document` is the benchmark file as JSON, `digest` that of its meaning, unique.

    `asking`: cells are to be asked for still: those of a search in rounds, those of a large grid bit by bit, and those
    that come out INVALID again.
    """

    id: str
    digest: str
    name: str
    document: str
    submitted_by: str
    created_at: datetime
    asking: bool = False
    cancelled_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenCell:
    """A cell and where it stands. It has a profile, or a failure, or neither as long as it is open or active."""

    cell: Cell
    state: CellState
    profile: Profile | None = None
    failure: Failure | None = None

    @property
    def reused(self) -> bool:
        """Whether its profile was stored before it was asked for."""
        return bool(self.cell.profile_id) and self.profile is not None

    def may_be_retried(self, most: int) -> bool:
        """Whether it is to be measured again, which is done at most so many times."""
        if self.state is not CellState.INVALID or self.profile is None or self.cell.retries >= most:
            return False
        return all(reason.rule in RETRIED_RULES for reason in self.profile.reasons)


def see_cell(cell: Cell, jobs: Mapping[str, Job], profiles: Mapping[str, Profile]) -> SeenCell:
    """Where a cell stands, by the jobs of its experiment and the profiles that are there."""
    if cell.profile_id:
        stored = profiles.get(cell.profile_id)
        if stored is not None:
            return SeenCell(cell=cell, state=CellState.MEASURED, profile=stored)
        return _gone(cell)
    if not cell.job_id:
        return SeenCell(cell=cell, state=CellState.OPEN)
    job = jobs[cell.job_id]
    match job.state:
        case JobState.PENDING:
            return SeenCell(cell=cell, state=CellState.WAITING)
        case JobState.LEASED:
            return SeenCell(cell=cell, state=CellState.RUNNING)
        case JobState.CANCELLED:
            return SeenCell(cell=cell, state=CellState.CANCELLED)
        case JobState.FAILED:
            return SeenCell(cell=cell, state=CellState.FAILED, failure=job.failure)
    there = [profiles[profile_id] for profile_id in job.profile_ids if profile_id in profiles]
    for profile in there:
        if cell.is_measured_by(profile):
            state = CellState.MEASURED if profile.valid else CellState.INVALID
            return SeenCell(cell=cell, state=state, profile=profile)
    if len(there) < len(job.profile_ids):
        return _gone(cell)
    return _failed(cell, NO_PROFILE, f"job {job.id} succeeded without a profile of this cell")


def state_of(experiment: Experiment, seen: Iterable[SeenCell], retries: int) -> ExperimentState:
    """Where an experiment stands, by its cells, of which each is retried so many times at most."""
    if experiment.cancelled_at is not None:
        return ExperimentState.CANCELLED
    busy = any(
        cell.state.active or (experiment.asking and (cell.state is CellState.OPEN or cell.may_be_retried(retries)))
        for cell in seen
    )
    return ExperimentState.RUNNING if busy else ExperimentState.FINISHED


def count_states(seen: Iterable[SeenCell]) -> Counter[CellState]:
    """How many cells stand where."""
    return Counter(cell.state for cell in seen)


def _gone(cell: Cell) -> SeenCell:
    return _failed(cell, PROFILE_GONE, "its profile was deleted, or went with its model; submit the benchmark again")


def _failed(cell: Cell, code: str, message: str) -> SeenCell:
    return SeenCell(cell=cell, state=CellState.FAILED, failure=Failure(code=code, message=message))

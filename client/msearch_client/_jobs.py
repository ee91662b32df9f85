"""Jobs: what is to be measured, when a run counts, and how far it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from msearch_client._evaluations import EvaluateSpec
from msearch_client._loads import Load
from msearch_client._records import Record
from msearch_client._variants import Variant


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLimits(Record):
    """When a run counts, and how often it is repeated. None takes the agent's default.

    A run lasts at least `min_duration_s` (2 s) and has at least `min_queries` (662); it is stopped, and then invalid,
    after `max_duration_s` (60 s). It is repeated in fresh processes, at most `repeats` times (5), until the interval
    of the median p50 is within plus or minus `precision` (0.03). `seed` (1) decides everything drawn by chance.
    `epsilon` (0.01) is the largest accuracy loss, or disagreement with the reference, of an offered variant.
    """

    min_duration_s: float | None = None
    min_queries: int | None = None
    max_duration_s: float | None = None
    repeats: int | None = None
    precision: float | None = None
    seed: int | None = None
    epsilon: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSpec(Record):
    """What a job asks for: every variant under every load, or the outputs of the model on a sample (`evaluate`).

    `host_class` (a beginning of it) and `labels` (all of them) restrict the agents that may take it; `remote_target`
    is the server that the backend "remote" drives; `deadline_s` and `memory_limit_bytes` bound it on the agent, None
    takes the defaults (15 min, 8 GiB).
    """

    model_id: str
    variants: tuple[Variant, ...]
    loads: tuple[Load, ...]
    limits: RunLimits = RunLimits()
    host_class: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    remote_target: str = ""
    deadline_s: float | None = None
    memory_limit_bytes: int | None = None
    evaluate: EvaluateSpec | None = None


class JobState(StrEnum):
    """Where a job stands."""

    PENDING = "pending"
    LEASED = "leased"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """Whether nothing will change any more."""
        return self in (JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED)


@dataclass(frozen=True, slots=True)
class Failure(Record):
    """Why a job, or an attempt at it, failed: a machine-readable code such as "compile_failed", and a message."""

    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress(Record):
    """How far a job is: `fraction` in [0, 1]; `stage` is fetch, compile, verify, warm_up, measure or report."""

    fraction: float = 0.0
    stage: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeEstimate(Record):
    """How many seconds a job takes on an agent of speed 1, from its lease to its end.

    `predicted`: learned from jobs that have ended; otherwise reckoned from what the job asks for.
    """

    seconds: float = 0.0
    predicted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision(Record):
    """A decision of the scheduler about a job: "placed" or "leased", with which agent, when, and why.

    `agent` is empty where none could take the job.
    """

    step: str
    agent: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation(Record):
    """Why a job stands where it does now, the newest decisions, and how far estimates of sizes are trusted."""

    why: str
    decisions: tuple[Decision, ...]
    sizes: str


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Job(Record):
    """A profiling job.

    `attempt` counts from 1, 0 before an agent took it; `attempt_failures` say why earlier ones ended, oldest first.
    `agent_id` is the agent that holds or held it last; `expires_at` is when its lease ends unless renewed.
    `model_name` is "name@version", empty without a model; `profile_ids` are what it gave. The higher `priority` goes
    first; `experiment_id` is what the job belongs to, `submitted_by` the name of the token it came with.
    """

    id: str
    spec: JobSpec
    state: JobState
    attempt: int
    max_attempts: int
    agent_id: str
    progress: Progress
    failure: Failure | None
    profile_ids: tuple[str, ...]
    cancel_requested: bool
    model_name: str
    created_at: datetime
    leased_at: datetime | None
    expires_at: datetime | None
    ended_at: datetime | None
    attempt_failures: tuple[Failure, ...]
    priority: int = 0
    experiment_id: str = ""
    submitted_by: str = ""
    estimate: SizeEstimate = SizeEstimate()

    @property
    def ended(self) -> bool:
        """Whether nothing will change any more."""
        return self.state.ended

    @property
    def took(self) -> timedelta | None:
        """From its last lease to its end, or None before that."""
        return None if self.ended_at is None or self.leased_at is None else self.ended_at - self.leased_at

    def __repr__(self) -> str:
        how_far = f", {self.progress.fraction:.0%}" if self.state is JobState.LEASED else ""
        return f"Job({self.id}, {self.model_name or 'no model'}, {self.state}{how_far})"

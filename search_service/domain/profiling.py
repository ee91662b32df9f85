"""What profiling speaks of: variants, loads, job specs, profiles, agents. The words of profiles.proto."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from search_service.domain.catalog import Tensor
from search_service.domain.evaluation import EvaluateSpec


class Precision(StrEnum):
    """The numeric form a variant computes in."""

    FP32 = "fp32"
    BF16 = "bf16"
    FP16 = "fp16"
    INT8_DYNAMIC = "int8_dynamic"
    INT8_STATIC = "int8_static"


class Scenario(StrEnum):
    """How load is driven at a compiled model."""

    SINGLE_STREAM = "single_stream"
    MULTI_STREAM = "multi_stream"
    SERVER = "server"
    OFFLINE = "offline"
    CONCURRENCY = "concurrency"
    FIND_PEAK = "find_peak"


MODEL_FREE_BACKENDS = frozenset({"null", "remote"})
"""Backends that take no artifact: a job for these alone names no model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """A deployable form of a model. `mode` is the backend's own; an empty `device` lets the backend choose."""

    backend: str
    precision: Precision = Precision.FP32
    batch_size: int = 1
    threads: int = 1
    mode: str = ""
    device: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batching:
    """Joins queries into batches of at most `max_batch`; the first of a batch waits at most `max_wait_ns`."""

    max_batch: int
    max_wait_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A simulated network between clients and model; a bandwidth of 0 is unlimited."""

    round_trip_ms: float = 0.0
    up_mbit_per_s: float = 0.0
    down_mbit_per_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """The load of a run. `streams`: samples a query (multi_stream), clients (concurrency).

    `pipeline`: requests carry rows, so that pre- and post-processing by the model's card are part of them.
    """

    scenario: Scenario
    rate_per_s: float = 0.0
    streams: int = 1
    arrival: str = "poisson"
    parameters: Mapping[str, float] = field(default_factory=dict)
    trace_s: tuple[float, ...] = ()
    batching: Batching | None = None
    p99_limit_ms: float = 0.0
    network: Network | None = None
    pipeline: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLimits:
    """When a run counts and how often it is repeated. A field that is 0 takes the agent's default."""

    min_duration_s: float = 0.0
    min_queries: int = 0
    max_duration_s: float = 0.0
    repeats: int = 0
    precision: float = 0.0
    seed: int = 0
    epsilon: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSpec:
    """What a job asks for: every variant under every load, or the outputs of the model on the rows of `evaluate`.

    An evaluate job has neither variants nor loads. `model_id` is empty only where every backend is one of
    MODEL_FREE_BACKENDS. `host_class` is an id or the beginning of one. A deadline or memory limit of 0 takes the
    agent's default.
    """

    model_id: str
    variants: tuple[Variant, ...]
    loads: tuple[Load, ...]
    limits: RunLimits = field(default_factory=RunLimits)
    host_class: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    remote_target: str = ""
    deadline_s: float = 0.0
    memory_limit_bytes: int = 0
    evaluate: EvaluateSpec | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One measured quantity with its 95 % interval.

    Source "none" with a detail stands for what could not be had; its value means nothing.
    """

    name: str
    value: float
    unit: str
    low: float | None = None
    high: float | None = None
    source: str = ""
    detail: str = ""

    @property
    def measured(self) -> bool:
        """Whether there is a value."""
        return self.source != "none"


@dataclass(frozen=True, slots=True)
class InvalidReason:
    """A validity rule that did not hold: its name, what was measured and what was allowed."""

    rule: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """One run. It is valid if no rule was broken."""

    reasons: tuple[InvalidReason, ...]
    measurements: tuple[Measurement, ...]
    schedule_digest: str
    started_at: datetime

    @property
    def valid(self) -> bool:
        """Whether it counts."""
        return not self.reasons


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """The file that a variant was measured as: the model's artifact, or what the agent made of it.

    `kept`: the blob store holds what was made. `bound_to` names what alone can load it; empty where any host can.
    """

    format: str
    digest: str
    size_bytes: int
    inputs: tuple[Tensor, ...] = ()
    outputs: tuple[Tensor, ...] = ()
    bound_to: Mapping[str, str] = field(default_factory=dict)
    kept: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """The runs of one variant under one load on one host, summed up.

    `histogram` is an HdrHistogram V2 in base64 over the response latencies of all valid runs, in microseconds. Lists
    leave histogram and runs out. In an agent's report id, job_id, attempt, model_id, model_name, agent_id, created_at
    and whether the form is kept are not looked at. `form` is None where the agent did not say.
    """

    id: str
    job_id: str
    attempt: int
    model_id: str
    model_name: str
    variant: Variant
    load: Load
    load_text: str
    host_class: str
    agent_id: str
    reasons: tuple[InvalidReason, ...]
    measurements: tuple[Measurement, ...]
    histogram: str
    runs: tuple[RunSummary, ...]
    offered: bool
    offer_reason: str
    verified_on: str
    host_json: str
    versions: Mapping[str, str]
    created_at: datetime
    form: Form | None = None

    @property
    def valid(self) -> bool:
        """Whether it counts."""
        return not self.reasons


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileFilter:
    """Which profiles to keep; all conditions hold together, an empty one keeps everything but INVALID ones.

    `host_class` keeps classes that begin so.
    """

    model_id: str = ""
    backend: str = ""
    host_class: str = ""
    load_text: str = ""
    job_id: str = ""
    include_invalid: bool = False


@dataclass(frozen=True, slots=True)
class Figures:
    """Some measured values of one profile: those asked for, in that order; None where there is none."""

    profile_id: str
    model_id: str
    values: tuple[float | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendStatus:
    """A backend as an agent probed it. Without precisions it takes any."""

    name: str
    available: bool
    detail: str = ""
    version: str = ""
    devices: tuple[str, ...] = ()
    precisions: tuple[Precision, ...] = ()


class AgentState(StrEnum):
    """Where an agent stands."""

    ACTIVE = "active"
    DRAINING = "draining"
    GONE = "gone"


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """A profiler agent as it last registered.

    `token_id` is the token it registered with, empty where the service asks for none: calls for this agent must carry
    the same. `draining`: someone asked it to finish what it has and take no more. `evaluates`: the formats of artifacts
    whose models it runs in evaluate jobs. `devices`: what it measures on, host and all; agents that share one never
    measure at once.
    """

    id: str
    name: str
    host_class: str
    host_json: str
    backends: tuple[BackendStatus, ...]
    labels: Mapping[str, str]
    capacity: int
    version: str
    created_at: datetime
    last_seen_at: datetime
    draining: bool = False
    token_id: str = ""
    evaluates: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()

    def state(self, now: datetime, gone_after: timedelta) -> AgentState:
        """Where it stands at that time, if an agent not heard of for `gone_after` is gone.

        One that was heard of so much later was heard of before the clock was set back, which says as little.
        """
        if abs(now - self.last_seen_at) > gone_after:
            return AgentState.GONE
        return AgentState.DRAINING if self.draining else AgentState.ACTIVE

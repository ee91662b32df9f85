"""The words of the agent: what a job asks for, what a run measures, what a profile says.

Plain values without behaviour of their own beyond naming; `wire` turns them into messages. Times inside a run are
integer nanoseconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from msearch_running import Outputs
from msearch_running.tensors import TensorSpec as TensorSpec  # noqa: PLC0414 - a word of the agent, too


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """A deployable form of a model. `mode` is the backend's own; an empty `device` lets the backend choose."""

    backend: str
    precision: Precision = Precision.FP32
    batch_size: int = 1
    threads: int = 1
    mode: str = ""
    device: str = ""

    def __str__(self) -> str:
        parts = [self.backend, self.precision.value]
        if self.mode:
            parts.append(self.mode)
        if self.batch_size != 1:
            parts.append(f"batch {self.batch_size}")
        if self.threads != 1:
            parts.append(f"{self.threads} threads")
        if self.device:
            parts.append(self.device)
        return " ".join(parts)


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
    """When a run counts and how often it is repeated; the defaults are those of the wire's comments."""

    min_duration_s: float = 2.0
    min_queries: int = 662
    max_duration_s: float = 60.0
    repeats: int = 5
    precision: float = 0.03
    seed: int = 1
    epsilon: float = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One measured quantity with its 95 % interval; source "none" with a detail stands for what could not be had."""

    name: str
    value: float
    unit: str
    low: float | None = None
    high: float | None = None
    source: str = ""
    detail: str = ""


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
    """The file that a variant was measured as: the artifact, or what a backend made of it, which lies at `path`.

    `bound_to` names what alone can load it, such as the library and the GPU of a TensorRT plan.
    """

    format: str
    digest: str
    size_bytes: int
    inputs: tuple[TensorSpec, ...] = ()
    outputs: tuple[TensorSpec, ...] = ()
    bound_to: Mapping[str, str] = field(default_factory=dict)
    path: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """The runs of one variant under one load on this host, summed up.

    `histogram` is an HdrHistogram V2 in base64 over the response latencies of all valid runs, in microseconds. `form`
    is None without an artifact, and where runs did not all load the same.
    """

    variant: Variant
    load: Load
    load_text: str
    reasons: tuple[InvalidReason, ...]
    measurements: tuple[Measurement, ...]
    histogram: str
    runs: tuple[RunSummary, ...]
    offered: bool
    offer_reason: str
    verified_on: str
    versions: Mapping[str, str] = field(default_factory=dict)
    form: Form | None = None

    @property
    def valid(self) -> bool:
        """Whether it counts."""
        return not self.reasons


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateSpec:
    """What an evaluate job runs its model on: the rows of a sample, `row_count` in all, by digest of its bytes."""

    sample_id: str
    sample_digest: str
    row_count: int
    with_noise: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSpec:
    """What a job asks for: every variant under every load, or with `evaluate` the model's outputs on rows."""

    model_id: str
    variants: tuple[Variant, ...]
    loads: tuple[Load, ...]
    limits: RunLimits = field(default_factory=RunLimits)
    remote_target: str = ""
    deadline_s: float = 900.0
    memory_limit_bytes: int = 8 << 30
    evaluate: EvaluateSpec | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evaluation:
    """What an evaluate job gives; `versions` are those of the libraries that computed it."""

    outputs: Outputs
    versions: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts:
    """What a job needs to know of its model. `card_json` is the full card."""

    id: str
    name: str
    version: str
    format: str
    digest: str
    size_bytes: int
    uri: str
    card_json: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    classes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleFacts:
    """The stored sample of the model's source dataset: one Arrow IPC stream. `label_column` is empty without labels."""

    digest: str
    size_bytes: int
    row_count: int
    label_column: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """Proof of holding a job."""

    job_id: str
    attempt: int
    fencing_token: int
    duration_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """A leased job with what it needs. `model` is None for the backends "null" and "remote"."""

    lease: Lease
    spec: JobSpec
    model: ModelFacts | None
    sample: SampleFacts | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a job is: `fraction` in [0, 1]; `stage` as in profiles.proto, or evaluate."""

    fraction: float
    stage: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a job failed. `code` is one of those in profiles.proto; `retry` says that another attempt may help."""

    code: str
    message: str
    retry: bool = False

"""What the agent tells its children and what they answer, as JSON.

A child has run a stranger's model, so its answer is only data: it is checked against these types, never unpickled.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from profiler_agent.errors import Crashed
from profiler_agent.verification.offers import Loss
from profiler_agent.work import Form, InvalidReason, Load, Measurement, RunLimits, Variant

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """Where a child finds things. `inputs` holds prepared rows and, once made, the reference's outputs (npz)."""

    artifact: Path | None
    format: str
    digest: str
    cache: Path
    inputs: Path
    remote_target: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class InputsOrder:
    """Make the rows that every variant runs on, and the reference's outputs on them.

    The reference runs on the first `checked_rows`. `sample_file` is None where no rows are registered: rows are then
    generated. `specs_from` is the variant whose
    compiled model tells the inputs where there is no artifact.
    """

    files: Files
    card_json: str
    sample_file: Path | None
    label_column: str
    specs_from: Variant
    seed: int
    checked_rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class InputsResult:
    """How the rows came about. `verified_on` is "sample" or "generated"; `note` says why not the sample."""

    rows: int
    verified_on: str
    note: str
    reference: str
    measurements: tuple[Measurement, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantOrder:
    """Compile one variant; the task says what for. `largest_batch`: rows that one call may get."""

    files: Files
    variant: Variant
    card_json: str
    largest_batch: int
    epsilon: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ColdStart:
    """A start from nothing, in nanoseconds: process, runtime and model loaded, compiled, first inference."""

    process_start_ns: int
    load_ns: int
    compile_ns: int
    first_inference_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyResult:
    """What the outputs of a variant are like beside the reference's.

    `problem` is why it cannot be offered whatever its speed, or empty. `loss` is None where there was no reference.
    `form` as in `work.Profile`, but for where it lies: the runs find it in another cache.
    """

    problem: str
    loss: Loss | None
    measurements: tuple[Measurement, ...]
    versions: dict[str, str]
    device: str
    cold: ColdStart
    form: Form | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOrder:
    """One run of one variant under one load. `sample_file`: the rows that the requests of a pipeline carry, if any."""

    compile: VariantOrder
    load: Load
    limits: RunLimits
    seed: int
    price_table: Path | None
    host_class: str
    sample_file: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """What one run measured. `histogram` and `form` as in `work.Profile`."""

    reasons: tuple[InvalidReason, ...]
    measurements: tuple[Measurement, ...]
    histogram: str
    schedule_digest: str
    started_at: datetime
    form: Form | None = None


_ADAPTERS: dict[type, TypeAdapter[Any]] = {}


def _adapter(kind: type) -> TypeAdapter[Any]:
    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]


def dump(value: object) -> Any:
    """JSON values of one of these."""
    return _adapter(type(value)).dump_python(value, mode="json")


def load(kind: type[T], value: object) -> T:
    """One of these from JSON values.

    Raises:
        Crashed: the values are not of that kind: the child that sent them is not to be believed.
    """
    try:
        found: T = _adapter(kind).validate_python(value)
    except ValidationError as error:
        raise Crashed(f"the child's answer is not a {kind.__name__}: {error.errors()[0]['msg']}") from None
    return found

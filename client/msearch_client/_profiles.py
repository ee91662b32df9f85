"""Profiles: what was measured of one variant under one load on one host, and whether it counts."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from msearch_client._catalogue import Tensor
from msearch_client._histograms import Histogram
from msearch_client._jobs import Job
from msearch_client._loads import Load
from msearch_client._records import Record, to_frame, to_json
from msearch_client._variants import Variant

if TYPE_CHECKING:
    import pandas as pd

UNMEASURED = "none"


class Verdict(StrEnum):
    """Whether a run or profile counts."""

    VALID = "VALID"
    INVALID = "INVALID"


class Offer(StrEnum):
    """Whether a variant is worth deploying: verified, and faster than fp32 of the same backend, or that itself."""

    OFFERED = "offered"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement(Record):
    """One measured quantity with its 95 % interval, where it has one.

    `value` is None where it could not be had; `source` is then "none" and `detail` says why.
    """

    name: str
    value: float | None
    unit: str
    low: float | None = None
    high: float | None = None
    source: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class InvalidReason(Record):
    """A validity rule that did not hold, and what was measured and allowed; docs/profiling.md lists the rules."""

    rule: str
    detail: str


class _Measured:
    """Looks up measurements by name."""

    __slots__ = ()
    measurements: tuple[Measurement, ...]

    def measurement(self, name: str) -> Measurement:
        """One measured quantity, such as "p99_ms".

        Raises:
            KeyError: it was not measured.
        """
        for item in self.measurements:
            if item.name == name:
                return item
        known = ", ".join(item.name for item in self.measurements)
        raise KeyError(f"{name!r} was not measured, only {known or 'nothing'}")

    def value(self, name: str) -> float | None:
        """The value of a quantity, or None where it was not or could not be measured."""
        return next((item.value for item in self.measurements if item.name == name), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary(_Measured, Record):
    """One run of a profile, in a process of its own. `schedule_digest` identifies its arrival times."""

    verdict: Verdict
    reasons: tuple[InvalidReason, ...]
    measurements: tuple[Measurement, ...]
    schedule_digest: str
    started_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Form(Record):
    """The file that a variant was measured as: the model's artifact, or what the agent made of it.

    `format` is "onnx", "torch_export", "openvino_ir" (a zip archive of model.xml and model.bin) or "tensorrt_plan",
    `digest` its SHA-256. `kept`: the service has the bytes of what was made. `bound_to` names what alone can load it,
    such as the library and the GPU of a TensorRT plan; empty where any host can.
    """

    format: str
    digest: str
    size_bytes: int
    kept: bool
    inputs: tuple[Tensor, ...] = ()
    outputs: tuple[Tensor, ...] = ()
    bound_to: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Profile(_Measured, Record):
    """The summary of the runs of one variant under one load on one host.

    `load_text` is the load in short; profiles compare within a `host_class`. `reasons` say why an INVALID one does not
    count, `offer_reason` why the variant is or is not worth deploying. `verified_on` is "sample" (stored rows of the
    source dataset) or "generated". `histogram` and `runs` are empty in lists and rankings; `get_profile` has them.
    `form` is what the runtime loaded; None where the agent did not say.
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
    verdict: Verdict
    reasons: tuple[InvalidReason, ...]
    measurements: tuple[Measurement, ...]
    histogram: str
    runs: tuple[RunSummary, ...]
    offer: Offer
    offer_reason: str
    verified_on: str
    host_json: str
    versions: Mapping[str, str] = field(default_factory=dict)
    created_at: datetime | None = None
    form: Form | None = None

    @property
    def valid(self) -> bool:
        """Whether it counts."""
        return self.verdict is Verdict.VALID

    @property
    def host(self) -> Mapping[str, Any]:
        """The host's fingerprint; empty where the profile carries none that can be read."""
        try:
            found = json.loads(self.host_json or "{}")
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    def percentile(self, percent: float) -> float:
        """Any percentile of the response latency in milliseconds, from the stored histogram (three digits).

        Raises:
            LocalError: the profile carries no histogram, `percent` is outside of 0 to 100, or hdrhistogram is missing.
        """
        return Histogram.decode(self.histogram).percentile(percent)

    def to_row(self) -> dict[str, Any]:
        """The profile as one flat row: what was measured of what, and one column a quantity."""
        row: dict[str, Any] = {
            "id": self.id,
            "model": self.model_name,
            "variant": str(self.variant),
            "load": self.load_text,
            "host_class": self.host_class,
            "verdict": self.verdict.value,
            "reasons": ", ".join(reason.rule for reason in self.reasons),
            "offer": self.offer.value,
            "created_at": to_json(self.created_at),
        }
        return row | {item.name: item.value for item in self.measurements}

    def __repr__(self) -> str:
        p99 = self.value("p99_ms")
        shown = "" if p99 is None else f", p99 {p99:.4g} ms"
        model = self.model_name or "no model"
        return f"Profile({self.id}, {model}, {self.variant}, {self.load_text}, {self.verdict}{shown})"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Profiles(Record):
    """What a job measured: a sequence of profiles, with the job itself."""

    job: Job
    profiles: tuple[Profile, ...]

    def __len__(self) -> int:
        return len(self.profiles)

    def __iter__(self) -> Iterator[Profile]:
        return iter(self.profiles)

    def __getitem__(self, index: int) -> Profile:
        return self.profiles[index]

    def to_dicts(self) -> list[dict[str, Any]]:
        """One flat row a profile."""
        return [profile.to_row() for profile in self.profiles]

    def to_pandas(self) -> pd.DataFrame:
        """A data frame, one row a profile and one column a quantity.

        Raises:
            LocalError: pandas is not installed.
        """
        return to_frame(self.to_dicts())

    def __repr__(self) -> str:
        return "\n".join([f"Profiles of {self.job!r}:", *(f"  {profile!r}" for profile in self.profiles)])

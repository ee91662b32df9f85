"""Feature spaces: what makes two signatures comparable.

A space is a value: a document that names a featuriser with its parameters, the dimension, and every constant that
turns features into a signature. Its identity is the SHA-256 of the canonical document, so two parties that never met
produce comparable signatures as soon as they use the same document.

Features are integers. A featuriser maps a row to `dimension` values on a fixed grid of `TICKS_PER_UNIT` ticks a unit,
clipped to +-`CLIP_TICKS`. All later arithmetic (hash projections, moments, centroids) then has integer values that
float64 holds exactly whatever the order of summation, so the same data gives the same bytes on every machine.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

from msearch_sketch.errors import SpaceError

TICKS_PER_UNIT = 1024
CLIP_TICKS = 8 * TICKS_PER_UNIT
MOST_DIMENSIONS = 64
DOCUMENT_FORMAT = 1

MODALITIES = ("image", "text", "tabular", "time_series", "pairs", "embedding")


@dataclass(frozen=True, slots=True, kw_only=True)
class HashFamily:
    """Concatenated p-stable hashing (E2LSH; Datar et al. 2004) at several widths.

    Table l of resolution r puts a row into the bucket
    mix(floor((a_lk . x + b_lk) / widths_ticks[r]), k = 1..projections).
    All resolutions share the `tables` projections, so a bucket of a finer width lies within one of a coarser width.
    """

    seed: int = 1
    projections: int = 4
    tables: int = 8
    widths_ticks: tuple[int, ...] = (512, 1024, 2048, 4096)
    key_budget: int = 1024
    """Most keys kept for all tables of one resolution; above it only keys divisible by 2**level are kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FourierFeatures:
    """Random Fourier features of a Gaussian kernel (Rahimi & Recht 2007), from which MMD is computed."""

    seed: int = 2
    features: int = 256
    bandwidth_ticks: int = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Partitioning:
    """Partition histograms: consecutive rows, per-dimension histograms over shared edges, never min-max."""

    rows: int = 64
    most: int = 32
    dimensions: int = 16
    bins: int = 16
    low_ticks: int = -3072
    high_ticks: int = 3072


@dataclass(frozen=True, slots=True, kw_only=True)
class CoresetRule:
    """Weighted centroids: at most `centroids`, none for fewer than `least_rows` rows; from a bounded row sample."""

    centroids: int = 256
    least_rows: int = 3
    sample_rows: int = 8192
    iterations: int = 12


@dataclass(frozen=True, kw_only=True)
class FeatureSpace:
    """A feature space.

    `featuriser` is "name@version"; `parameters` are that featuriser's own, JSON values only, and hold its fixed
    affine normalisation. `schema` is the sorted tuple of (column, type) for a space tied to a schema, else empty.
    """

    modality: str
    featuriser: str
    parameters: dict[str, Any] = field(default_factory=dict)
    dimension: int
    schema: tuple[tuple[str, str], ...] = ()
    hashing: HashFamily = field(default_factory=HashFamily)
    fourier: FourierFeatures = field(default_factory=FourierFeatures)
    partitioning: Partitioning = field(default_factory=Partitioning)
    coreset: CoresetRule = field(default_factory=CoresetRule)

    def to_dict(self) -> dict[str, Any]:
        """The document as JSON values."""
        return {
            "format": DOCUMENT_FORMAT,
            "modality": self.modality,
            "featuriser": self.featuriser,
            "parameters": self.parameters,
            "dimension": self.dimension,
            "schema": [list(column) for column in self.schema],
            "hashing": asdict(self.hashing) | {"widths_ticks": list(self.hashing.widths_ticks)},
            "fourier": asdict(self.fourier),
            "partitioning": asdict(self.partitioning),
            "coreset": asdict(self.coreset),
        }

    @cached_property
    def document(self) -> str:
        """Canonical JSON: sorted keys, no spaces, ASCII."""
        return canonical_json(self.to_dict())

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the canonical document, 64 hexadecimal digits."""
        return hashlib.sha256(self.document.encode()).hexdigest()

    @property
    def schema_digest(self) -> str:
        """Digest of the schema the space is tied to; empty for a data-independent space."""
        return digest_schema(self.schema) if self.schema else ""

    @property
    def tables(self) -> int:
        """Number of hash tables over all resolutions."""
        return self.hashing.tables * len(self.hashing.widths_ticks)

    @classmethod
    def from_document(cls, text: str | bytes) -> FeatureSpace:
        """Reads a document, canonical or not.

        Raises:
            SpaceError: the document is not JSON, lacks or adds a field, or a value is out of range.
        """
        try:
            raw = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise SpaceError(f"the feature space document is not JSON: {error}") from None
        if not isinstance(raw, dict):
            raise SpaceError("the feature space document must be a JSON object")
        if raw.get("format") != DOCUMENT_FORMAT:
            raise SpaceError(f"document format {raw.get('format')!r} is unknown, expected {DOCUMENT_FORMAT}")
        fields = {key: value for key, value in raw.items() if key != "format"}
        try:
            fields["schema"] = tuple((str(name), str(kind)) for name, kind in fields["schema"])
            hashing = dict(fields["hashing"])
            hashing["widths_ticks"] = tuple(hashing["widths_ticks"])
            fields["hashing"] = HashFamily(**hashing)
            fields["fourier"] = FourierFeatures(**fields["fourier"])
            fields["partitioning"] = Partitioning(**fields["partitioning"])
            fields["coreset"] = CoresetRule(**fields["coreset"])
            space = cls(**fields)
        except KeyError as error:
            raise SpaceError(f"the feature space document lacks the field {error}") from None
        except (TypeError, ValueError) as error:
            raise SpaceError(f"the feature space document is malformed: {error}") from None
        _check(space)
        return space


def canonical_json(value: Any) -> str:
    """JSON with sorted keys, no spaces and ASCII only, so that equal values give equal bytes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def digest_schema(schema: tuple[tuple[str, str], ...]) -> str:
    """SHA-256 of the sorted (column, type) pairs, 64 hexadecimal digits."""
    return hashlib.sha256(canonical_json(sorted([list(column) for column in schema])).encode()).hexdigest()


# Each limit keeps a hostile document from costing more than a signature may.
_INTEGER_LIMITS: dict[str, dict[str, tuple[int, int]]] = {
    "hashing": {"seed": (0, 2**63 - 1), "projections": (1, 16), "tables": (1, 64), "key_budget": (16, 65_536)},
    "fourier": {"seed": (0, 2**63 - 1), "features": (1, 4096), "bandwidth_ticks": (1, 2**20)},
    "partitioning": {
        "rows": (1, 2**20), "most": (1, 1024), "dimensions": (1, MOST_DIMENSIONS), "bins": (2, 256),
        "low_ticks": (-CLIP_TICKS, CLIP_TICKS), "high_ticks": (-CLIP_TICKS, CLIP_TICKS),
    },
    "coreset": {"centroids": (1, 4096), "least_rows": (1, 2**20), "sample_rows": (16, 2**20), "iterations": (1, 100)},
}  # fmt: skip


def _check(space: FeatureSpace) -> None:
    if space.modality not in MODALITIES:
        raise SpaceError(f"modality {space.modality!r} is unknown, expected one of {', '.join(MODALITIES)}")
    name, at, version = space.featuriser.partition("@") if isinstance(space.featuriser, str) else ("", "", "")
    if not (name and at and version.isdigit()):
        raise SpaceError(f"featuriser {space.featuriser!r} must read name@version")
    if not isinstance(space.parameters, dict):
        raise SpaceError("parameters must be a JSON object")
    _check_integer("dimension", space.dimension, 1, MOST_DIMENSIONS)
    for part, limits in _INTEGER_LIMITS.items():
        for key, (low, high) in limits.items():
            _check_integer(f"{part}.{key}", getattr(getattr(space, part), key), low, high)
    if not 1 <= len(space.hashing.widths_ticks) <= 8:
        raise SpaceError("hashing.widths_ticks must hold 1 to 8 widths")
    for width in space.hashing.widths_ticks:
        _check_integer("hashing.widths_ticks", width, 1, 2**20)
    if list(space.hashing.widths_ticks) != sorted(set(space.hashing.widths_ticks)):
        raise SpaceError("hashing.widths_ticks must ascend")
    if space.partitioning.low_ticks >= space.partitioning.high_ticks:
        raise SpaceError("partitioning.low_ticks must lie below high_ticks")
    if list(space.schema) != sorted(set(space.schema)):
        raise SpaceError("schema must be sorted and hold each column once")


def _check_integer(name: str, value: object, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise SpaceError(f"{name} must be an integer from {low} to {high}, not {value!r}")

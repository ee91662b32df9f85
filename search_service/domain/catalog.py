"""What the catalogue holds: feature spaces, datasets with their signatures, models."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Generic, TypeVar

from search_service.domain.evaluation import Validation

T = TypeVar("T")


class Modality(StrEnum):
    """The kind of data a row holds. Values are those of `msearch_sketch.spaces.MODALITIES`."""

    IMAGE = "image"
    TEXT = "text"
    TABULAR = "tabular"
    TIME_SERIES = "time_series"
    PAIRS = "pairs"
    EMBEDDING = "embedding"


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureSpace:
    """A registered feature space. `document` is canonical JSON and never changes; `digest` is its SHA-256."""

    digest: str
    document: str
    modality: Modality
    featuriser: str
    dimension: int
    schema_digest: str
    description: str
    created_at: datetime
    revision: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureSummary:
    """What a signature says of itself."""

    space_digest: str
    row_count: int
    size_bytes: int
    labelled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSignature:
    """An encoded signature with its summary."""

    summary: SignatureSummary
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetSample:
    """Rows of a dataset that its owner chose to store, as one Arrow IPC stream in the blob store.

    `label_column` is empty where the rows have no labels.
    """

    digest: str
    size_bytes: int
    row_count: int
    label_column: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """A source dataset: a name for the data that models were trained on. `tags` are sorted and distinct."""

    id: str
    name: str
    version: str
    description: str
    tags: tuple[str, ...]
    licence: str
    modality: Modality
    signatures: tuple[SignatureSummary, ...]
    created_at: datetime
    updated_at: datetime
    revision: int = 1
    sample: DatasetSample | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """An input or output of a model. A dimension is its extent, the symbol of a free one, or None if unknown."""

    name: str
    element_type: str
    shape: tuple[int | str | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """Where the bytes of a model are: stored here (digest, no uri), elsewhere (uri), or nowhere (format "none")."""

    format: str
    digest: str = ""
    size_bytes: int = 0
    uri: str = ""

    @property
    def stored(self) -> bool:
        """Whether the service's own blob store holds the bytes."""
        return bool(self.digest) and not self.uri


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A metric that the owner of a model claims; ratios are in [0, 1]."""

    name: str
    value: float
    dataset: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A registered model. `card` is the full card as canonical JSON; empty in lists and rankings.

    `tags` are sorted and distinct; `classes` stand in the order of the output; `dataset_id` is empty if unknown.
    `metrics` are claims of its owner, `validation` is what was measured, None where nobody did.
    """

    id: str
    name: str
    version: str
    description: str
    licence: str
    tags: tuple[str, ...]
    task: str
    modality: Modality
    classes: tuple[str, ...]
    metrics: tuple[Metric, ...]
    parent: str
    artifact: Artifact
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    dataset_id: str
    card: str
    created_at: datetime
    updated_at: datetime
    revision: int = 1
    validation: Validation | None = None

    @property
    def claimed_accuracy(self) -> float | None:
        """The accuracy its owner claims, or None."""
        return next((metric.value for metric in self.metrics if metric.name == "accuracy"), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which objects to keep; all conditions hold together, an empty one keeps everything.

    tasks, modalities, licences (compared without case), formats: any of these. classes, tags: all of these.
    text: every word must occur, as a word or the beginning of one, in the name or the description, without case.
    """

    tasks: tuple[str, ...] = ()
    modalities: tuple[Modality, ...] = ()
    classes: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    licences: tuple[str, ...] = ()
    text: str = ""
    formats: tuple[str, ...] = ()
    dataset_id: str = ""

    @property
    def empty(self) -> bool:
        """Whether it keeps everything."""
        return self == Filter()


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some of the matching items, in order, and how many match in all. `after` is None on the last page."""

    items: tuple[T, ...]
    total: int
    after: tuple[str, ...] | None

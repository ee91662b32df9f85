"""What the catalogue holds, as the client sees it: models, datasets, feature spaces."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import TypeAlias

from msearch_client._errors import LocalError
from msearch_client._evaluations import Validation
from msearch_client._records import Record
from msearch_sketch.signature import Signature
from msearch_sketch.spaces import FeatureSpace


class Modality(StrEnum):
    """The kind of data a row holds."""

    IMAGE = "image"
    TEXT = "text"
    TABULAR = "tabular"
    TIME_SERIES = "time_series"
    PAIRS = "pairs"
    EMBEDDING = "embedding"


def parse_modality(text: str) -> Modality:
    """The modality of that name; "time-series" is taken for "time_series".

    Raises:
        LocalError: there is no such modality.
    """
    try:
        return Modality(text.replace("-", "_").lower())
    except ValueError:
        raise LocalError(f"modality {text!r} is unknown", hint=f"known: {', '.join(Modality)}") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureSummary(Record):
    """What a signature says of itself: its feature space, the rows sketched, its size, whether it knows classes."""

    space_digest: str
    row_count: int
    size_bytes: int
    labelled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetSample(Record):
    """Rows of a dataset that its owner chose to store, for int8 calibration and for checks of outputs.

    `digest` is the SHA-256 of the `size_bytes` bytes, one Arrow IPC stream; `label_column` is empty without classes.
    """

    digest: str
    size_bytes: int
    row_count: int
    label_column: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Dataset(Record):
    """A source dataset: a name for the data that models were trained on. `tags` are sorted.

    `revision` grows by one with each update. `sample` is None unless rows of it are stored.
    """

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
    revision: int
    sample: DatasetSample | None = None

    @property
    def row_count(self) -> int:
        """Rows of its largest signature."""
        return max((signature.row_count for signature in self.signatures), default=0)

    def __repr__(self) -> str:
        return f"Dataset({self.name}@{self.version}, {self.modality}, {self.row_count:,} rows)"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDataset:
    """A dataset to register, with at least one signature, each in another feature space. An empty version is "1"."""

    name: str
    modality: Modality
    signatures: tuple[Signature, ...]
    version: str = ""
    description: str = ""
    tags: tuple[str, ...] = ()
    licence: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor(Record):
    """An input or output of a model. A dimension is its extent, the symbol of a free one, or None if unknown."""

    name: str
    element_type: str
    shape: tuple[int | str | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact(Record):
    """Where the bytes of a model are.

    `format` is "onnx", "torch_export" or "none" (a hosted model); `digest` is the SHA-256 in hexadecimal, empty if
    unknown; `uri` is empty where the service stores the bytes.
    """

    format: str
    digest: str = ""
    size_bytes: int = 0
    uri: str = ""

    @property
    def stored(self) -> bool:
        """Whether the service itself holds the bytes, so that they can be downloaded from it."""
        return bool(self.digest) and not self.uri


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric(Record):
    """A metric that the owner of a model claims; ratios are in [0, 1]. `dataset` says on which data."""

    name: str
    value: float
    dataset: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Model(Record):
    """A registered model.

    `classes` stand in the order of its output; `dataset_id` is empty if its source dataset is unknown; `card_json` is
    the full card, empty in lists and rankings; `revision` grows by one with each update. `metrics` are claims of its
    owner; `validation` is what was measured on labelled held-out rows, None if nobody did.
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
    card_json: str
    created_at: datetime
    updated_at: datetime
    revision: int
    validation: Validation | None = None

    @property
    def known_accuracy(self) -> float | None:
        """What it reached on its validation rows, else what its owner claims; None if nobody says."""
        if self.validation is not None:
            return self.validation.accuracy
        return next((metric.value for metric in self.metrics if metric.name == "accuracy"), None)

    def __repr__(self) -> str:
        return f"Model({self.name}@{self.version}, {self.task}, {self.modality}, {self.artifact.format})"


@dataclass(frozen=True, kw_only=True, repr=False)
class Space(Record):
    """A registered feature space. `document` is its canonical JSON; `digest` is the document's SHA-256.

    `schema_digest` is empty for a data-independent space.
    """

    digest: str
    document: str
    modality: Modality
    featuriser: str
    dimension: int
    schema_digest: str
    description: str
    created_at: datetime | None
    revision: int

    @cached_property
    def feature_space(self) -> FeatureSpace:
        """The space as the sketcher takes it.

        Raises:
            msearch_sketch.errors.SpaceError: the document is of a version this client does not know.
        """
        return FeatureSpace.from_document(self.document)

    def __repr__(self) -> str:
        return f"Space({self.digest[:12]}, {self.modality}, {self.featuriser}, {self.dimension} dimensions)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter(Record):
    """Which objects to keep; all conditions hold together, an empty one keeps everything.

    tasks, modalities, licences (compared without case), formats: any of these. classes, tags: all of these.
    `text`: every word must occur in the name or the description. `dataset_id`: models trained on that dataset.
    Datasets know modalities, tags, licences and text only.
    """

    tasks: tuple[str, ...] = ()
    modalities: tuple[Modality, ...] = ()
    classes: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    licences: tuple[str, ...] = ()
    text: str = ""
    formats: tuple[str, ...] = ()
    dataset_id: str = ""

    def __post_init__(self) -> None:
        for name in ("tasks", "modalities", "classes", "tags", "licences", "formats"):
            value = getattr(self, name)
            # A lone string is one value, not a sequence of letters.
            values = (value,) if isinstance(value, str) else tuple(value)
            object.__setattr__(self, name, values)
        object.__setattr__(self, "modalities", tuple(parse_modality(item) for item in self.modalities))


ModelReference: TypeAlias = str | Model
"""A name, "name@version" or an id; or a model that a call returned."""

DatasetReference: TypeAlias = str | Dataset
"""A name, "name@version" or an id; or a dataset that a call returned."""

"""What the use cases of the catalogue work with, and the two collaborators that know cards and artifacts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from search_service.domain.catalog import DatasetSample, Metric, Modality, Tensor
from search_service.domain.ports import BlobStore, Clock, Database, NewId


@dataclass(frozen=True, slots=True, kw_only=True)
class CardFacts:
    """What the catalogue takes from a model card. `document` is the whole card as canonical JSON.

    `tags` are sorted and distinct. `format` and `uri` are what the card says of the artifact: format "none" for a
    hosted model, an empty uri where the bytes are to be uploaded.
    """

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
    format: str
    uri: str
    document: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CardChanges:
    """New values for what a card says for people; None leaves a field as it is."""

    description: str | None = None
    licence: str | None = None
    tags: tuple[str, ...] | None = None
    metrics: tuple[Metric, ...] | None = None

    @property
    def empty(self) -> bool:
        """Whether nothing changes."""
        return self == CardChanges()


class CardReader(Protocol):
    """Reads and changes model cards."""

    def read(self, text: str) -> CardFacts:
        """Raises InvalidArgument (INVALID_CARD) with a field violation for each problem."""

    def amend(self, document: str, changes: CardChanges) -> CardFacts:
        """The card with these values. Raises InvalidArgument (INVALID_CARD)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactFacts:
    """What an artifact says of itself; inputs and outputs are empty for a format that msearch does not read."""

    format: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]


class Inspection(Protocol):
    """Looks at an artifact while its bytes pass by, in bounded memory."""

    def write(self, chunk: bytes) -> None:
        """The next bytes."""

    def finish(self, card: CardFacts) -> ArtifactFacts:
        """All bytes are there. Raises InvalidArgument (INVALID_ARTIFACT): unreadable, or not what the card says."""

    def close(self) -> None:
        """Drops whatever was kept of the bytes; harmless when repeated."""


NewInspection = Callable[[], Inspection]
"""Begins to inspect an artifact."""


class SampleInspection(Protocol):
    """Looks at the sample of a dataset while its bytes pass by."""

    def write(self, chunk: bytes) -> None:
        """The next bytes."""

    def finish(self, sample: DatasetSample) -> None:
        """All bytes are there. Raises InvalidArgument (INVALID_DATA): unreadable, or not what the header says."""


NewSampleInspection = Callable[[], SampleInspection]
"""Begins to inspect a sample."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """The collaborators of the catalogue's use cases.

    `committed` is told after each commit, so that this replica's index sees its own writes at once. Samples are
    stored as they come where nothing inspects them.
    """

    database: Database
    blobs: BlobStore
    cards: CardReader
    inspect: NewInspection
    clock: Clock
    new_id: NewId
    committed: Callable[[], None]
    largest_artifact_bytes: int
    inspect_sample: NewSampleInspection | None = None

"""What the use cases need from the outside.

The docstrings are the contract; tests/contracts holds every adapter to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from search_service.domain.access import Token
from search_service.domain.catalog import (
    Dataset,
    FeatureSpace,
    Filter,
    Modality,
    Model,
    Page,
    StoredSignature,
)
from search_service.domain.evidence_ports import EvaluationSampleStore, EvaluationStore, PredictorStore
from search_service.domain.form_ports import FormStore
from search_service.domain.graph_counts import GraphCountStore
from search_service.domain.measured_ports import ExperimentStore, ProfileStore
from search_service.domain.scheduling_ports import AgentStore, JobQueue, JobStore, SchedulingStore

Clock = Callable[[], datetime]
"""Gives the present time, aware and in UTC."""

NewId = Callable[[str], str]
"""Gives a fresh opaque id that begins with the given prefix."""


class ModelStore(Protocol):
    """Models. (name, version) is unique."""

    def add(self, model: Model) -> None:
        """Adds it. Raises AlreadyExists (NAME_TAKEN), or NotFound (DATASET_NOT_FOUND) for an unknown dataset_id."""

    def get(self, model_id: str) -> Model:
        """The model with its card. Raises NotFound (MODEL_NOT_FOUND)."""

    def find(self, name: str, version: str) -> Model:
        """The model of that name and version, or with version "" the newest (created_at, then id). Raises NotFound."""

    def get_many(self, model_ids: Sequence[str]) -> dict[str, Model]:
        """Those that exist, without their cards (card is ""), by id."""

    def page(self, filter: Filter, after: tuple[str, ...] | None, size: int) -> Page[Model]:
        """The `size` models after the position `after` that pass, by (name, version, id), without their cards."""

    def matching_ids(self, filter: Filter) -> frozenset[str]:
        """Ids of all models that pass."""

    def by_dataset(self, dataset_id: str) -> Sequence[str]:
        """Ids of the models trained on that dataset, sorted."""

    def scan(self) -> Iterator[Model]:
        """Every model without its card, in no particular order, read in batches."""

    def replace(self, model: Model, expected_revision: int) -> None:
        """Overwrites the model of that id if its revision is as expected. Raises NotFound or Conflict."""

    def delete(self, model_id: str) -> None:
        """Removes it with its profiles; its jobs stay. Raises NotFound."""

    def uses_blob(self, digest: str) -> bool:
        """Whether any model's stored artifact has that digest."""


class DatasetStore(Protocol):
    """Source datasets and their signatures. (name, version) is unique; one signature per dataset and space."""

    def add(self, dataset: Dataset, signatures: Sequence[StoredSignature]) -> None:
        """Adds both. Raises AlreadyExists (NAME_TAKEN), or NotFound (FEATURE_SPACE_NOT_FOUND)."""

    def get(self, dataset_id: str) -> Dataset:
        """The dataset; its signature summaries by space digest. Raises NotFound (DATASET_NOT_FOUND)."""

    def find(self, name: str, version: str) -> Dataset:
        """The dataset of that name and version, or with version "" the newest. Raises NotFound."""

    def names(self, dataset_ids: Sequence[str]) -> dict[str, str]:
        """Names of those that exist, by id."""

    def page(self, filter: Filter, after: tuple[str, ...] | None, size: int) -> Page[Dataset]:
        """As for models; tasks, classes, formats and dataset_id of the filter are not looked at."""

    def signatures(self, dataset_id: str) -> Sequence[StoredSignature]:
        """Its signatures by space digest; empty if there is no such dataset."""

    def signatures_in(self, space_digest: str, dataset_ids: Sequence[str]) -> dict[str, bytes]:
        """Encoded signatures of those datasets in that space, by dataset id."""

    def scan_signatures(self) -> Iterator[tuple[str, str, bytes]]:
        """Every (dataset id, space digest, encoded signature), read in batches, in no particular order."""

    def replace(self, dataset: Dataset, signatures: Sequence[StoredSignature], expected_revision: int) -> None:
        """Overwrites the dataset and adds or replaces the signatures given. Raises NotFound or Conflict."""

    def delete(self, dataset_id: str) -> None:
        """Removes it with its signatures. Raises NotFound, or PreconditionFailed (STILL_REFERENCED)."""

    def uses_blob(self, digest: str) -> bool:
        """Whether the sample of any dataset has that digest."""


class SpaceStore(Protocol):
    """Feature spaces. (schema_digest, featuriser) is unique where schema_digest is not empty."""

    def add(self, space: FeatureSpace) -> None:
        """Adds it. Raises AlreadyExists (NAME_TAKEN) if the digest, or the schema with that featuriser, is there."""

    def get(self, digest: str) -> FeatureSpace:
        """Raises NotFound (FEATURE_SPACE_NOT_FOUND)."""

    def find(self, schema_digest: str, featuriser: str) -> FeatureSpace:
        """The space registered for that schema. Raises NotFound."""

    def page(self, modality: Modality | None, after: tuple[str, ...] | None, size: int) -> Page[FeatureSpace]:
        """By digest."""

    def replace(self, space: FeatureSpace, expected_revision: int) -> None:
        """Overwrites description and revision. Raises NotFound or Conflict."""

    def delete(self, digest: str) -> None:
        """Removes it. Raises NotFound, or PreconditionFailed (STILL_REFERENCED) while a signature lives in it."""


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """What a finished call with a request_id answered: the method, the digest of the request, the id of the result."""

    method: str
    request_digest: str
    result_id: str


class RequestLog(Protocol):
    """Makes calls with a request_id safe to repeat."""

    def get(self, request_id: str) -> RequestRecord | None:
        """What that call answered, or None."""

    def add(self, request_id: str, record: RequestRecord, at: datetime) -> None:
        """Remembers it. Raises AlreadyExists (REQUEST_ID_REUSED) if the id is there."""

    def forget_before(self, at: datetime) -> int:
        """Drops older records and says how many."""


@dataclass(frozen=True, slots=True)
class Change:
    """One committed change. kind: "model", "dataset" or "profiles" (of the model `id`); it may be gone by now."""

    sequence: int
    kind: str
    id: str


class ChangeLog(Protocol):
    """The order in which changes were committed, over all replicas.

    The stores append to it themselves whenever a model or a dataset is added, replaced or deleted, and whenever VALID
    profiles are added to a model. A change with a smaller sequence is never committed after one with a larger
    sequence, so `since` misses nothing.
    """

    def last(self) -> int:
        """Sequence of the last committed change, 0 if there is none."""

    def since(self, sequence: int, limit: int) -> Sequence[Change]:
        """The changes after that sequence, in order, at most `limit`."""


class TokenStore(Protocol):
    """Bearer tokens. Name and secret digest are unique."""

    def add(self, token: Token) -> None:
        """Adds it. Raises AlreadyExists (NAME_TAKEN)."""

    def get(self, token_id: str) -> Token:
        """Raises NotFound (TOKEN_NOT_FOUND)."""

    def find(self, name: str) -> Token:
        """The token of that name. Raises NotFound (TOKEN_NOT_FOUND)."""

    def by_digest(self, secret_digest: str) -> Token | None:
        """The token whose secret has that SHA-256, or None."""

    def all(self) -> Sequence[Token]:
        """All tokens, by name."""

    def revoke(self, token_id: str, at: datetime) -> None:
        """Marks it as revoked; the time of an earlier revocation stays. Raises NotFound."""


class UnitOfWork(Protocol):
    """One transaction. Leaving the context without `commit` undoes everything.

    Every method may raise Unavailable (STORAGE_UNAVAILABLE) when the database does not answer.
    """

    @property
    def models(self) -> ModelStore: ...
    @property
    def datasets(self) -> DatasetStore: ...
    @property
    def spaces(self) -> SpaceStore: ...
    @property
    def requests(self) -> RequestLog: ...
    @property
    def changes(self) -> ChangeLog: ...
    @property
    def jobs(self) -> JobStore: ...
    @property
    def agents(self) -> AgentStore: ...
    @property
    def queue(self) -> JobQueue: ...
    @property
    def scheduling(self) -> SchedulingStore: ...
    @property
    def profiles(self) -> ProfileStore: ...
    @property
    def forms(self) -> FormStore: ...
    @property
    def graph_counts(self) -> GraphCountStore: ...
    @property
    def tokens(self) -> TokenStore: ...
    @property
    def experiments(self) -> ExperimentStore: ...
    @property
    def evaluation_samples(self) -> EvaluationSampleStore: ...
    @property
    def evaluations(self) -> EvaluationStore: ...
    @property
    def predictors(self) -> PredictorStore: ...

    def hold_blob(self, digest: str) -> None:
        """Waits until no other unit of work, in any replica, holds that blob, and holds it until this one ends.

        Whoever makes a model or a sample use a blob, or removes one that nothing uses, holds it meanwhile, so that the
        bytes cannot go between the check and the commit.
        """

    def hold_experiment(self, experiment_id: str) -> None:
        """The same for an experiment: whoever binds it to a tier holds it."""

    def commit(self) -> None:
        """Makes everything done so far visible to others, at once. Ends the unit of work."""


class Database(Protocol):
    """Opens units of work; safe to share between threads."""

    def begin(self) -> AbstractContextManager[UnitOfWork]:
        """A new transaction."""

    def close(self) -> None:
        """Gives back all connections."""


class BlobUpload(Protocol):
    """A blob being written. Invisible until `finish`."""

    def write(self, chunk: bytes) -> None:
        """Appends. Raises ResourceExhausted (TOO_LARGE) past the announced size."""

    def finish(self) -> None:
        """Checks size and SHA-256 and makes the blob visible. Raises InvalidArgument (DIGEST_MISMATCH)."""

    def abort(self) -> None:
        """Drops everything written; harmless after `finish`."""


class BlobStore(Protocol):
    """Bytes by their SHA-256. Writing a blob that is there already is harmless."""

    def upload(self, digest: str, size_bytes: int) -> BlobUpload:
        """Begins to write a blob of that digest (64 hexadecimal digits) and size."""

    def exists(self, digest: str) -> bool:
        """Whether the blob is there."""

    def read(self, digest: str, chunk_bytes: int = 1 << 20) -> Iterator[bytes]:
        """Its bytes in order. Raises NotFound (ARTIFACT_NOT_FOUND)."""

    def delete(self, digest: str) -> None:
        """Removes it; harmless if it is not there."""

    def digests(self) -> Iterable[str]:
        """All blobs, in no particular order."""

    def sweep(self, older_than_s: float) -> int:
        """Drops half-written uploads that old, left behind by a killed process, and says how many."""

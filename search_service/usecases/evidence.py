"""What the use cases of evaluation work with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from msearch_sketch.spaces import FeatureSpace as SpaceDocument
from search_service.domain.access import Caller, Role
from search_service.domain.catalog import Modality
from search_service.domain.errors import NotFound, PermissionDenied, Reason
from search_service.domain.evaluation import EvaluationSample, SampleKind
from search_service.domain.ports import Database, UnitOfWork
from search_service.usecases.points import Points
from search_service.usecases.profiling import Profiling
from search_service.usecases.registry import Registry
from search_service.usecases.spaces import parse_document


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSample:
    """An evaluation sample on its way in. `rows`: the bytes hold the rows themselves, otherwise their points.

    Without a modality it is detected; `column` holds the data, where several would do.
    """

    kind: SampleKind
    digest: str
    size_bytes: int
    rows: bool
    label_column: str = ""
    modality: Modality | None = None
    column: str = ""
    keep_s: float = 0.0


@dataclass(frozen=True, slots=True)
class ReadSample:
    """What the bytes of a sample hold: the points of all its rows, in a feature space, and the names of the labels."""

    points: Points
    classes: tuple[str, ...]
    space: SpaceDocument


class SampleReader(Protocol):
    """Reads an evaluation sample while its bytes pass by."""

    def write(self, chunk: bytes) -> None:
        """The next bytes."""

    def finish(self, sample: NewSample, spaces: SpaceLookup) -> ReadSample:
        """All bytes are there.

        Raises:
            InvalidArgument: INVALID_DATA, unreadable, or not what the header says.
            NotFound: FEATURE_SPACE_NOT_FOUND.
            ResourceExhausted: TOO_LARGE.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """The collaborators of the use cases of evaluation. `new_reader` begins to read a sample.

    `sample_quota_bytes`: what the evaluation samples of one token may take together, 0 for no limit.
    """

    registry: Registry
    profiling: Profiling
    new_reader: Callable[[], SampleReader]
    sample_quota_bytes: int

    @property
    def database(self) -> Database:
        """Where everything is kept."""
        return self.registry.database


@dataclass(frozen=True, slots=True)
class SpaceLookup:
    """Registered feature spaces."""

    database: Database

    def get(self, digest: str) -> SpaceDocument:
        """Raises NotFound (FEATURE_SPACE_NOT_FOUND)."""
        with self.database.begin() as unit:
            return parse_document(unit.spaces.get(digest).document)

    def find(self, schema_digest: str, featuriser: str) -> SpaceDocument | None:
        """The space registered for a schema, or None."""
        try:
            with self.database.begin() as unit:
                return parse_document(unit.spaces.find(schema_digest, featuriser).document)
        except NotFound:
            return None


def seen_sample(unit: UnitOfWork, sample_id: str, token_id: str, now: datetime) -> EvaluationSample:
    """The sample. Raises NotFound (EVALUATION_SAMPLE_NOT_FOUND) also where it is another's, or expired."""
    found = unit.evaluation_samples.get_many([sample_id]).get(sample_id)
    if found is None or not found.is_seen_by(token_id, now):
        # One answer for all three: whether others have a sample of that id is not for the caller to know.
        raise NotFound(
            f"there is no evaluation sample {sample_id!r}, or it is another's, or it has expired: store the rows again",
            Reason.EVALUATION_SAMPLE_NOT_FOUND,
        )
    return found


def check_may_publish(caller: Caller, act: str) -> None:
    """Raises PermissionDenied unless the caller may write what others see."""
    if caller.role not in (Role.PUBLISHER, Role.ADMIN):
        raise PermissionDenied(
            f"the token {caller.name!r} has the role {caller.role.value}, and {act} needs publisher or admin: what is "
            "known of validation samples counts for everybody"
        )

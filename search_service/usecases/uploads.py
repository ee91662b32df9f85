"""Bytes on their way in, and the one way out for blobs that nothing uses."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from search_service.domain.errors import InvalidArgument, Reason, ResourceExhausted, Unavailable
from search_service.domain.ports import BlobStore, BlobUpload, UnitOfWork
from search_service.usecases.fields import check_digest, invalid
from search_service.usecases.registry import ArtifactFacts, CardFacts, Registry

LARGEST_CHUNK_BYTES = 2 << 20


@dataclass(frozen=True, slots=True)
class Upload:
    """Announces the bytes that follow."""

    digest: str
    size_bytes: int


def check_upload(upload: Upload, largest_bytes: int) -> Upload:
    """The announcement with a lower-case digest. Raises InvalidArgument, or ResourceExhausted (TOO_LARGE)."""
    digest = check_digest("upload.digest", upload.digest)
    if upload.size_bytes < 1:
        raise invalid("upload.size_bytes", f"must be above 0, not {upload.size_bytes}")
    if upload.size_bytes > largest_bytes:
        raise ResourceExhausted(
            f"the artifact has {upload.size_bytes} bytes, this service accepts {largest_bytes}: "
            "register it by an external uri, or have MSEARCH_LARGEST_ARTIFACT_BYTES raised",
            Reason.TOO_LARGE,
        )
    return Upload(digest, upload.size_bytes)


@contextmanager
def receive(registry: Registry, card: CardFacts, upload: Upload, chunks: Iterable[bytes]) -> Iterator[Received]:
    """Takes the chunks in, inspects them against the card, and drops everything unless it was committed meanwhile.

    Raises:
        InvalidArgument: DIGEST_MISMATCH for other bytes than announced (as soon as there are too many),
            INVALID_ARTIFACT for bytes that do not match the card.
    """
    inspection = registry.inspect()  # first: where it fails, nothing is to be aborted
    try:
        with take_in(registry, upload, chunks, inspection.write) as arrived:
            facts = inspection.finish(card)
            inspection.close()
            yield Received(facts, arrived)
    finally:
        inspection.close()


def _look_away(chunk: bytes) -> None:
    del chunk


@contextmanager
def take_in(
    registry: Registry, upload: Upload, chunks: Iterable[bytes], see: Callable[[bytes], None] = _look_away
) -> Iterator[Arrived]:
    """Takes the chunks in, shows each to `see`, and drops everything unless it was committed meanwhile.

    Raises:
        InvalidArgument: DIGEST_MISMATCH for other bytes than announced (as soon as there are too many).
    """
    writer = registry.blobs.upload(upload.digest, upload.size_bytes)
    arrived = Arrived(registry.blobs, writer, upload.digest)
    try:
        received = 0
        for chunk in chunks:
            received += len(chunk)
            if len(chunk) > LARGEST_CHUNK_BYTES:
                raise ResourceExhausted(
                    f"a chunk has {len(chunk)} bytes, at most {LARGEST_CHUNK_BYTES} are accepted: cut it smaller",
                    Reason.TOO_LARGE,
                )
            if received > upload.size_bytes:
                raise _wrong_size(f"more than the {upload.size_bytes} bytes announced have arrived")
            writer.write(chunk)
            see(chunk)
        if received < upload.size_bytes:
            raise _wrong_size(f"only {received} of the {upload.size_bytes} bytes announced have arrived")
        yield arrived
    except BaseException:
        if arrived.visible:
            drop_unused_blob(registry, upload.digest)
        raise
    finally:
        writer.abort()


@contextmanager
def store_bytes(registry: Registry, data: bytes) -> Iterator[Arrived]:
    """As `take_in`, for bytes that this service has made."""
    upload = Upload(hashlib.sha256(data).hexdigest(), len(data))
    view = memoryview(data)
    chunks = (bytes(view[start : start + LARGEST_CHUNK_BYTES]) for start in range(0, len(data), LARGEST_CHUNK_BYTES))
    with take_in(registry, upload, chunks) as arrived:
        yield arrived


class Arrived:
    """Bytes that have all arrived, not yet visible."""

    def __init__(self, blobs: BlobStore, writer: BlobUpload, digest: str) -> None:
        self._blobs = blobs
        self._writer = writer
        self._digest = digest
        self.visible = False

    def publish(self, unit: UnitOfWork) -> None:
        """Makes the blob visible and keeps it from removal until the unit of work ends."""
        unit.hold_blob(self._digest)
        if not self.visible:
            self._writer.finish()
            self.visible = True
        elif not self._blobs.exists(self._digest):
            raise Unavailable(
                "the uploaded bytes were removed while they were registered: try again", Reason.STORAGE_UNAVAILABLE
            )


@dataclass(frozen=True, slots=True)
class Received:
    """An artifact whose bytes have all arrived and were inspected, not yet visible."""

    facts: ArtifactFacts
    arrived: Arrived

    def publish(self, unit: UnitOfWork) -> None:
        """Makes the blob visible and keeps it from removal until the unit of work ends."""
        self.arrived.publish(unit)


def drop_unused_blob(registry: Registry, digest: str) -> bool:
    """Removes the blob if nothing uses it and says whether it did.

    The check and the removal happen while the blob is held, and whoever makes something use a blob holds it from the
    moment it is written to the commit. So either this sees the use, or the bytes are written after this removal.
    A failure leaves an unused blob for `drop_unused_blobs`; it never costs the caller the answer.
    """
    try:
        with registry.database.begin() as unit:
            unit.hold_blob(digest)
            if _is_used(unit, digest):
                return False
            registry.blobs.delete(digest)
            return True
    except Unavailable:
        return False


def drop_unused_blobs(registry: Registry) -> int:
    """Removes the blobs left by a process that died between writing a blob and committing its use."""
    removed = 0
    for digest in registry.blobs.digests():
        with registry.database.begin() as unit:
            used = _is_used(unit, digest)
        removed += not used and drop_unused_blob(registry, digest)
    return removed


def _is_used(unit: UnitOfWork, digest: str) -> bool:
    stores = (unit.models, unit.forms, unit.datasets, unit.evaluation_samples, unit.evaluations, unit.predictors)
    return any(store.uses_blob(digest) for store in stores)


def _wrong_size(problem: str) -> InvalidArgument:
    return InvalidArgument(
        f"{problem}: send exactly the announced bytes", Reason.DIGEST_MISMATCH, [("upload.size_bytes", problem)]
    )

"""What every blob store checks: that the bytes are those announced."""

from __future__ import annotations

import hashlib
import re

from search_service.domain.errors import InvalidArgument, NotFound, Reason, ResourceExhausted, Unavailable

_DIGEST = re.compile(r"[0-9a-f]{64}")


def is_digest(text: str) -> bool:
    """Whether it is 64 lower-case hexadecimal digits, and so safe as a file name or key."""
    return _DIGEST.fullmatch(text) is not None


class Expected:
    """Counts and digests the bytes of one upload against what was announced.

    Raises:
        InvalidArgument: the announced digest or size is malformed.
    """

    def __init__(self, digest: str, size_bytes: int) -> None:
        if not is_digest(digest):
            raise InvalidArgument(
                f"artifact digest {digest!r} is not 64 lower-case hexadecimal digits",
                fields=[("digest", "must be a SHA-256 in lower-case hexadecimal digits")],
            )
        if size_bytes < 0:
            raise InvalidArgument(
                f"artifact size {size_bytes} is negative", fields=[("size_bytes", "must not be negative")]
            )
        self.digest = digest
        self.size_bytes = size_bytes
        self._seen_bytes = 0
        self._sha256 = hashlib.sha256()

    def take(self, chunk: bytes) -> None:
        """Counts the next bytes. Raises ResourceExhausted past the announced size."""
        if self._seen_bytes + len(chunk) > self.size_bytes:
            raise ResourceExhausted(
                f"artifact {self.digest} was announced with {self.size_bytes} bytes, more arrived", Reason.TOO_LARGE
            )
        self._seen_bytes += len(chunk)
        self._sha256.update(chunk)

    def check(self) -> None:
        """Raises InvalidArgument unless everything announced arrived, and nothing else."""
        if self._seen_bytes != self.size_bytes:
            raise InvalidArgument(
                f"artifact {self.digest} was announced with {self.size_bytes} bytes, {self._seen_bytes} arrived",
                Reason.DIGEST_MISMATCH,
            )
        found = self._sha256.hexdigest()
        if found != self.digest:
            raise InvalidArgument(
                f"the artifact's bytes have SHA-256 {found}, not {self.digest} as announced", Reason.DIGEST_MISMATCH
            )


def blob_not_found(digest: str) -> NotFound:
    """No blob of that digest is stored."""
    return NotFound(f"no artifact {digest!r} is stored", Reason.ARTIFACT_NOT_FOUND)


def blobs_unavailable(doing: str, detail: str) -> Unavailable:
    """The store did not answer, or is full."""
    return Unavailable(f"the blob store cannot {doing}: {detail}", Reason.STORAGE_UNAVAILABLE)

"""Blobs as files: FOLDER/ab/abcd... by digest, half-written ones in FOLDER/partial.

Several processes may share the folder. A file appears under its digest by a rename, complete and on the disk.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from search_service.domain.errors import InvalidArgument
from search_service.storage.blob_digest import Expected, blob_not_found, blobs_unavailable, is_digest


class FolderBlobStore:
    """Creates the folder.

    Raises:
        InvalidArgument: the folder cannot be made, or not be written.
    """

    def __init__(self, folder: str | Path) -> None:
        self._folder = Path(folder)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _unusable(self._folder, f"cannot be made ({error.strerror})") from error
        # Asked, not tried: with a full disk the service can still start and answer.
        if not os.access(self._folder, os.R_OK | os.W_OK | os.X_OK):
            raise _unusable(self._folder, "cannot be read and written by this process")

    def upload(self, digest: str, size_bytes: int) -> FolderBlobUpload:
        return FolderBlobUpload(Expected(digest, size_bytes), self._folder / "partial", self._path(digest))

    def exists(self, digest: str) -> bool:
        return is_digest(digest) and self._path(digest).is_file()

    def read(self, digest: str, chunk_bytes: int = 1 << 20) -> Iterator[bytes]:
        if not is_digest(digest):
            raise blob_not_found(digest)
        try:
            file = self._path(digest).open("rb")
        except FileNotFoundError:
            raise blob_not_found(digest) from None
        except OSError as error:
            raise blobs_unavailable("read", str(error.strerror)) from error
        return _chunks(file, chunk_bytes)

    def delete(self, digest: str) -> None:
        if is_digest(digest):
            with _reported("delete"):
                self._path(digest).unlink(missing_ok=True)

    def digests(self) -> Iterable[str]:
        with _reported("list"):
            return [path.name for path in self._folder.glob("??/*") if is_digest(path.name)]

    def sweep(self, older_than_s: float) -> int:
        oldest = time.time() - older_than_s
        swept = 0
        with _reported("sweep"):
            for path in (self._folder / "partial").glob("*"):
                with suppress(FileNotFoundError):  # finished, or swept by another process
                    if path.stat().st_mtime <= oldest:
                        path.unlink()
                        swept += 1
        return swept

    def _path(self, digest: str) -> Path:
        return self._folder / digest[:2] / digest


class FolderBlobUpload:
    """One file being written."""

    def __init__(self, expected: Expected, partial: Path, target: Path) -> None:
        self._expected = expected
        self._target = target
        with _reported("write"):
            partial.mkdir(parents=True, exist_ok=True)
            descriptor, name = tempfile.mkstemp(prefix=f"{expected.digest[:16]}-", dir=partial)
            self._file = os.fdopen(descriptor, "wb")
        self._partial = Path(name)

    def write(self, chunk: bytes) -> None:
        self._expected.take(chunk)
        with _reported("write"):
            self._file.write(chunk)

    def finish(self) -> None:
        self._expected.check()
        with _reported("write"):
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            if not self._target.parent.is_dir():
                self._target.parent.mkdir(exist_ok=True)
                _sync_folder(self._target.parent.parent)
            self._partial.replace(self._target)
            _sync_folder(self._target.parent)

    def abort(self) -> None:
        # Closing flushes, which fails again where writing did; the file goes all the same.
        with suppress(OSError):
            self._file.close()
        with _reported("clean up"):
            self._partial.unlink(missing_ok=True)


def _unusable(folder: Path, problem: str) -> InvalidArgument:
    return InvalidArgument(f"the blob folder {folder} {problem}: name another with --blobs or MSEARCH_BLOBS")


def _chunks(file: BinaryIO, chunk_bytes: int) -> Iterator[bytes]:
    with file, _reported("read"):
        while chunk := file.read(chunk_bytes):
            yield chunk


def _sync_folder(folder: Path) -> None:
    """Brings the new name to the disk, not only the bytes."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _reported(doing: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise blobs_unavailable(doing, str(error.strerror)) from error

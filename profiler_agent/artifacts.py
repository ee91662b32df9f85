"""Artifacts and samples on this host, by digest: fetched once, verified, dropped when the cache is full.

Several agents may share the folder. A file appears under its digest only once all its bytes were verified, by an atomic
rename, so whoever sees it may use it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

from profiler_agent.errors import Crashed, DigestMismatch, RefusedFormat, Unreachable

_HEAD = 512
_CHUNK = 1 << 20
_FRESH_S = 3600.0
"""A file used within this time is never dropped: a job may have it open."""


class ArtifactCache:
    """Files by SHA-256 in one folder of at most `largest_bytes`, but for what was used within the last hour."""

    def __init__(self, folder: Path, largest_bytes: int) -> None:
        self._folder = folder
        self._largest_bytes = largest_bytes

    def get(self, digest: str, size_bytes: int, fetch: Callable[[], Iterable[bytes]]) -> Path:
        """The file of that digest; fetched if it is not there, or if it is not what it says.

        Raises:
            DigestMismatch: the fetched bytes have another digest or size.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / digest
        if path.is_file() and path.stat().st_size == size_bytes and _digest_of(path) == digest:
            os.utime(path)
            return path
        self._make_room(size_bytes)
        descriptor, name = tempfile.mkstemp(dir=self._folder, prefix="incoming-")
        try:
            with os.fdopen(descriptor, "wb") as file:
                _write_checked(file.write, fetch(), digest, size_bytes)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        return path

    def keep(self, digest: str) -> None:
        """Counts as a use of the file; whoever uses one for longer than an hour says so now and then."""
        with contextlib.suppress(FileNotFoundError):
            os.utime(self._folder / digest)

    def _make_room(self, size_bytes: int) -> None:
        """Drops the files that were not used for longest."""
        now = _now(self._folder)
        files = sorted((entry.stat().st_mtime, entry.stat().st_size, entry) for entry in _files(self._folder))
        total = sum(size for _, size, _ in files) + size_bytes
        for used_at, size, path in files:
            if total <= self._largest_bytes or now - used_at < _FRESH_S:
                return
            path.unlink(missing_ok=True)
            total -= size


def find_external(uri: str, digest: str, root: Path | None) -> tuple[Path, str]:
    """The local file of an artifact that is kept elsewhere, and its digest, which need not be registered.

    Raises:
        Unreachable: the address is not of a file below the folder that the agent was told to trust, or is not there.
        DigestMismatch: its digest is another than registered.
    """
    parts = urlsplit(uri)
    if parts.scheme != "file" or root is None:
        raise Unreachable(
            f"the model's bytes are at {uri}, which this agent does not fetch: register the model with its bytes, or "
            "start the agent with --artifact-root and register a file:// address below it"
        )
    path = Path(unquote(parts.path)).resolve()
    if not path.is_relative_to(root.resolve()):
        raise Unreachable(f"{uri} is outside {root}, the only folder whose files this agent reads")
    if not path.is_file():
        raise Unreachable(f"there is no file {uri} on this host")
    found = _digest_of(path)
    if digest and found != digest:
        raise DigestMismatch(f"{uri} has another digest than the registered {digest[:12]}")
    return path, found


def write_verified(path: Path, chunks: Iterable[bytes], digest: str, most_bytes: int) -> None:
    """Writes a file whose size is not known beforehand.

    Raises:
        DigestMismatch: the bytes have another digest, or are more than `most_bytes`.
    """
    hashed, size = hashlib.sha256(), 0
    with path.open("wb") as file:
        for chunk in chunks:
            size += len(chunk)
            if size > most_bytes:
                raise DigestMismatch(f"the service sent more than the {most_bytes >> 20} MiB that a sample may take")
            hashed.update(chunk)
            file.write(chunk)
    if hashed.hexdigest() != digest:
        raise DigestMismatch(
            f"the service sent {size:,} bytes of digest {hashed.hexdigest()[:12]}; the job says {digest[:12]}"
        )


def own_folder(root: Path, name: str, largest_bytes: int) -> Path:
    """The folder of that name below `root`, made if it is not there.

    Of the others, those that were not used for longest go first while all together are larger than `largest_bytes`, but
    for what was used within the last hour.
    """
    own = root / name
    own.mkdir(parents=True, exist_ok=True)
    os.utime(own)
    now = own.stat().st_mtime
    folders = sorted((entry.stat().st_mtime, entry) for entry in root.iterdir() if entry.is_dir())
    sizes = {entry: _size_of(entry) for _, entry in folders}
    for used_at, entry in folders:
        if sum(sizes.values()) <= largest_bytes or now - used_at < _FRESH_S:
            break
        shutil.rmtree(entry, ignore_errors=True)
        del sizes[entry]
    return own


def _size_of(folder: Path) -> int:
    """Bytes of all files below; what vanishes meanwhile, and what links point to, does not count."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                total += os.lstat(Path(parent, name)).st_size
    return total


def open_within(folder: Path, path: Path) -> BinaryIO:
    """Opens a file that a child says it has made below `folder`: it has run a stranger's model, and may say anything.

    Raises:
        Crashed: it is no file of its own there.
    """
    inside = folder.resolve()
    try:
        if path.resolve().is_relative_to(inside) and stat.S_ISREG(path.lstat().st_mode):
            return os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb")
    except OSError:
        pass
    raise Crashed(f"the child says that it made {path}, which is no file below {inside}")


def refuse_disguises(path: Path, format: str) -> None:
    """Refuses files that run code when they are read, whatever they are called.

    Raises:
        RefusedFormat: the file is a pickle, or a zip archive that is no torch.export program.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if len(head) > 1 and head[0] == 0x80 and 2 <= head[1] <= 5:
        raise RefusedFormat(f"the artifact is a pickle, not {format}; a pickle runs code when it is read")
    if head.startswith(b"PK") and format != "torch_export":
        raise RefusedFormat(f"the artifact is a zip archive, as torch.save writes, not {format}; it may hold pickles")


def _write_checked(write: Callable[[bytes], object], chunks: Iterable[bytes], digest: str, size_bytes: int) -> None:
    hashed, size = hashlib.sha256(), 0
    for chunk in chunks:
        size += len(chunk)
        if size > size_bytes:
            break
        hashed.update(chunk)
        write(chunk)
    if size != size_bytes or hashed.hexdigest() != digest:
        raise DigestMismatch(
            f"the service sent {'more than ' if size > size_bytes else ''}{min(size, size_bytes):,} bytes of digest "
            f"{hashed.hexdigest()[:12]}; registered are {size_bytes:,} of {digest[:12]}"
        )


def _digest_of(path: Path) -> str:
    hashed = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            hashed.update(chunk)
    return hashed.hexdigest()


def _files(folder: Path) -> list[Path]:
    return [entry for entry in folder.iterdir() if entry.is_file()]


def _now(folder: Path) -> float:
    """The time by the clock that stamps the folder's files, which may be another host's."""
    with tempfile.NamedTemporaryFile(dir=folder, prefix="now-") as file:
        return Path(file.name).stat().st_mtime

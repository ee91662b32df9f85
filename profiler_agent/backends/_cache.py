"""Keeps compiled artefacts of the host: one folder an entry, its bytes under a digest, written whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

from profiler_agent.backends.base import CompileRequest

_DIGEST = "sha256"


@cache
def processor_fingerprint() -> str:
    """Digest of what compiled code for this CPU depends on: its model and flags (Linux; elsewhere the platform)."""
    lines: set[str] = set()
    try:
        with Path("/proc/cpuinfo").open() as stream:
            wanted = ("vendor_id", "model", "model name", "stepping", "flags", "Features", "CPU part")
            lines = {line.strip() for line in stream if line.split(":")[0].strip() in wanted}
    except OSError:
        lines = set(os.uname())
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()


class Entry:
    """One place in the cache for one file, whose name is `name`."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._name = name

    @property
    def path(self) -> Path:
        """Where the file is, once stored."""
        return self._folder / self._name

    def is_sound(self) -> bool:
        """Whether the file is there with the bytes that were stored. A damaged entry is removed."""
        try:
            if (self._folder / _DIGEST).read_text() == digest_of(self.path):
                return True
        except FileNotFoundError:
            pass
        self.remove()
        return False

    def remove(self) -> None:
        """Drops it."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def store(self, write: Callable[[Path], object]) -> None:
        """Lets `write` write the file at a path of that name, then puts it in place in one step.

        Of two processes that store the same entry one wins, and either's file serves both.
        """
        self._folder.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=".draft-", dir=self._folder.parent))
        try:
            write(draft / self._name)
            (draft / _DIGEST).write_text(digest_of(draft / self._name))
            draft.rename(self._folder)
        except OSError:
            if not self.is_sound():
                raise
        finally:
            shutil.rmtree(draft, ignore_errors=True)


def find_entry(request: CompileRequest, *, name: str, version: str, device: str, extra: str = "") -> Entry:
    """The entry of a request: by model, backend and its version, device, precision, batch, threads and mode.

    `device` is a fingerprint, `extra` whatever else the result depends on, such as the digest of calibration rows.
    """
    variant = request.variant
    words = [request.digest, variant.backend, version, device, variant.precision.value, variant.batch_size,
             variant.threads, variant.mode, extra]  # fmt: skip
    key = hashlib.sha256(json.dumps(words).encode()).hexdigest()[:40]
    return Entry(request.cache / variant.backend / key, name)


def adopt_entries(source: Path, target: Path) -> None:
    """Moves all entries of one cache into another, where they replace those of the same key."""
    for entry in [entry for entry in source.glob("*/*") if entry.is_dir() and not entry.is_symlink()]:
        place = target / entry.relative_to(source)
        shutil.rmtree(place, ignore_errors=True)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(entry, place)


def calibration_digest(request: CompileRequest) -> str:
    """Digest of the calibration feeds; empty without any."""
    if not request.calibration:
        return ""
    digest = hashlib.sha256()
    for feed in request.calibration:
        for name in sorted(feed):
            array = feed[name]
            digest.update(f"{name} {array.dtype} {array.shape} ".encode())
            digest.update(repr(array.tolist()).encode() if array.dtype == object else array.tobytes())
    return digest.hexdigest()


def digest_of(path: Path) -> str:
    """SHA-256 of a file in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()

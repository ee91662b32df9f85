"""Artifacts on this machine, by digest, so that a model is downloaded once."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from msearch_client._artifacts import digest_of
from msearch_client._catalogue import Artifact
from msearch_client._errors import LocalError

LARGEST_BYTES = 10 << 30
_FRESH_S = 3600.0
"""What was used within this time is never dropped: another process may be reading it."""


def cache_path(environment: Mapping[str, str] = os.environ) -> Path:
    """The folder for artifacts: MSEARCH_ARTIFACTS, or msearch/artifacts in the platform's folder for caches."""
    if chosen := environment.get("MSEARCH_ARTIFACTS"):
        return Path(chosen)
    if sys.platform == "win32":
        folder = Path(environment.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        folder = Path.home() / "Library" / "Caches"
    else:
        folder = Path(environment.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return folder / "msearch" / "artifacts"


def find_artifact(
    artifact: Artifact,
    download: Callable[[Path], object],
    *,
    folder: Path | None = None,
    largest_bytes: int = LARGEST_BYTES,
) -> Path:
    """The file with the artifact's bytes; downloaded if it is not there, or is not what its name says.

    Args:
        artifact: what is wanted.
        download: writes it to a path, whole or not at all, and verified.
        folder: where artifacts are kept; None for `cache_path()`.
        largest_bytes: of all together; what was not used for longest goes first.

    Raises:
        LocalError: the folder cannot be written.
    """
    folder = folder or cache_path()
    path = folder / artifact.digest
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if path.is_file() and digest_of(path) == artifact.digest:
            os.utime(path)
            return path
        _make_room(folder, largest_bytes - artifact.size_bytes)
    except OSError as error:
        raise LocalError(
            f"the folder for artifacts, {folder}, cannot be used: {error.strerror or error}",
            hint="MSEARCH_ARTIFACTS names another",
        ) from None
    download(path)
    return path


def _make_room(folder: Path, allowed_bytes: int) -> None:
    files = sorted((entry.stat().st_mtime, entry.stat().st_size, entry) for entry in folder.iterdir())
    total = sum(size for _, size, _ in files)
    for used_at, size, path in files:
        if total <= allowed_bytes or time.time() - used_at < _FRESH_S:
            return
        path.unlink(missing_ok=True)
        total -= size

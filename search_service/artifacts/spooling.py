"""Keeps an artifact on disk while it arrives, so that it can be inspected before anyone sees it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from msearch_card import parse_card
from search_service.artifacts.inspection import inspect
from search_service.domain.errors import Reason, Unavailable
from search_service.usecases.registry import ArtifactFacts, CardFacts


class SpooledInspection:
    """Implements `usecases.registry.Inspection` with a nameless file, which vanishes with the process at the latest.

    `folder` should be on a disk: the system's own folder for such files is often memory.
    """

    def __init__(self, folder: Path | None = None) -> None:
        with _reported():
            self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed by `close`

    def write(self, chunk: bytes) -> None:
        """See `Inspection.write`."""
        with _reported():
            self._file.write(chunk)

    def finish(self, card: CardFacts) -> ArtifactFacts:
        """See `Inspection.finish`."""
        with _reported():
            self._file.flush()
        found = inspect(self._file, parse_card(card.document))
        return ArtifactFacts(format=card.format, inputs=found.inputs or (), outputs=found.outputs or ())

    def close(self) -> None:
        """See `Inspection.close`."""
        # Closing flushes, which fails again where writing did; the file goes all the same.
        with suppress(OSError):
            self._file.close()


@contextmanager
def _reported() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unavailable(
            f"the artifact cannot be kept for inspection: {error.strerror}; "
            "the disk of the service's data folder is full or cannot be written",
            Reason.STORAGE_UNAVAILABLE,
        ) from error

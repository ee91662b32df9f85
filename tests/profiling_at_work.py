"""The collaborators of profiling with a clock that stands still, for tests of use cases."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from itertools import count
from pathlib import Path

import pytest

from search_service.domain.ports import Database
from search_service.storage.blob_folder import FolderBlobStore
from search_service.storage.memory import MemoryDatabase
from search_service.usecases.profiling import Profiling
from tests.catalogue import NOW


class AtWork:
    """A `Profiling` whose time passes only in `pass_time` and in its own waits. `stopping`: waits end at once."""

    def __init__(self, database: Database, folder: Path | None = None) -> None:
        self.database = database
        self.now = NOW
        self.ticks = 0.0
        self.waited_s = 0.0
        self.stopping = False
        self.while_waiting: Callable[[], object] | None = None
        numbers = count(1)
        self.profiling = Profiling(
            database=database,
            blobs=FolderBlobStore(folder) if folder else None,  # type: ignore[arg-type]  # where nothing is fetched
            clock=lambda: self.now,
            new_id=lambda prefix: f"{prefix}_{next(numbers)}",
            wait=self._wait,
            monotonic=lambda: self.ticks,
        )

    def pass_time(self, seconds: float) -> None:
        """So many seconds later."""
        self.now += timedelta(seconds=seconds)
        self.ticks += seconds

    def set_clock(self, seconds: float) -> None:
        """Somebody sets the clock so much forward, or back."""
        self.now += timedelta(seconds=seconds)

    def _wait(self, seconds: float) -> bool:
        if not self.stopping:
            self.waited_s += seconds
            self.pass_time(seconds)
            if self.while_waiting is not None:
                self.while_waiting()
        return self.stopping


@pytest.fixture
def at_work(tmp_path: Path) -> AtWork:
    """On a database in memory, with blobs in a folder."""
    return AtWork(MemoryDatabase(), tmp_path / "blobs")

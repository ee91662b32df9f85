"""The background thread that keeps a replica's memory fresh while nobody searches."""

from __future__ import annotations

import threading
from collections.abc import Callable

from search_service.usecases.live_catalogue import POLL_INTERVAL_S, LiveCatalogue


class Follower:
    """A background thread that keeps a live catalogue fresh while nobody searches.

    `failed` is told of each error; the thread goes on, since the database may come back.
    """

    def __init__(
        self, catalogue: LiveCatalogue, failed: Callable[[Exception], None], interval_s: float = POLL_INTERVAL_S
    ) -> None:
        self._catalogue = catalogue
        self._failed = failed
        self._interval_s = interval_s
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="msearch-follower", daemon=True)

    def start(self) -> None:
        """Begins to follow."""
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread and waits for it."""
        self._stopped.set()
        self._thread.join()

    def _follow(self) -> None:
        while not self._stopped.wait(self._interval_s):
            try:
                if not self._catalogue.refresh(self._interval_s / 2):
                    self._catalogue.index.tidy()
            except Exception as error:  # noqa: BLE001 - reported, and the next poll tries again
                self._failed(error)

"""A background thread that does one thing again and again."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Repeating:
    """Calls `act` `first_after_s` seconds after the start and then every `interval_s`, until it is stopped.

    `failed` is told of each error; the next round tries again.
    """

    def __init__(
        self,
        name: str,
        act: Callable[[], object],
        *,
        interval_s: float,
        failed: Callable[[Exception], None],
        first_after_s: float = 0.0,
    ) -> None:
        self._act = act
        self._interval_s = interval_s
        self._first_after_s = first_after_s
        self._failed = failed
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._repeat, name=name, daemon=True)

    def start(self) -> None:
        """Begins."""
        self._thread.start()

    def stop(self, wait_s: float | None = None) -> None:
        """Ends the thread, after the round that it is in; waits for that so long, or as long as it takes."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(wait_s)

    def _repeat(self) -> None:
        pause_s = self._first_after_s
        while not self._stopped.wait(pause_s):
            try:
                self._act()
            except Exception as error:  # noqa: BLE001 - reported; the next round tries again
                self._failed(error)
            pause_s = self._interval_s

"""Calls that wait for something hold a thread meanwhile; a waiting room bounds how many do so at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import grpc


class WaitingRoom:
    """Has a number of places; whoever finds none answers at once instead of waiting."""

    def __init__(self, places: int) -> None:
        self._places = places
        self._lock = threading.Lock()
        self._inside: set[threading.Event] = set()
        self._closed = False

    @contextmanager
    def enter(self, context: grpc.ServicerContext) -> Iterator[threading.Event | None]:
        """Gives an event to wait on, which is set once the caller has gone or the room closes; None if it is full."""
        ended = threading.Event()
        with self._lock:
            admitted = not self._closed and len(self._inside) < self._places
            if admitted:
                self._inside.add(ended)
        if not admitted:
            yield None
            return
        try:
            if not context.add_callback(ended.set):
                ended.set()  # the caller has gone already
            yield ended
        finally:
            with self._lock:
                self._inside.discard(ended)

    def close(self) -> None:
        """Ends every wait: the service stops."""
        with self._lock:
            self._closed = True
            for ended in self._inside:
                ended.set()

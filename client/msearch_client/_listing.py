"""Lists that the service gives page by page."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from msearch_client._records import Record, to_frame

if TYPE_CHECKING:
    import pandas as pd

R = TypeVar("R", bound=Record)

SHOWN = 10


class Page(NamedTuple, Generic[R]):
    """One page: its items, the token of the next page (empty after the last), and how many match in all."""

    items: tuple[R, ...]
    next_token: str
    total: int


class Listing(Generic[R]):
    """Everything that matches, fetched page by page while it is iterated, each page once.

    `len(listing)` and `listing.total` say how many matched when the first page was fetched. Safe to share between
    threads; iterating again costs no further call.
    """

    def __init__(self, fetch: Callable[[str], Page[R]]) -> None:
        self._fetch = fetch
        self._items: list[R] = []
        self._token: str | None = ""
        self._total: int | None = None
        self._lock = threading.Lock()

    def _load(self, count: int) -> None:
        """Fetches pages until `count` items are there or no page is left."""
        with self._lock:
            while self._token is not None and (len(self._items) < count or self._total is None):
                page = self._fetch(self._token)
                self._items.extend(page.items)
                self._total = page.total if self._total is None else self._total
                self._token = page.next_token or None

    @property
    def total(self) -> int:
        """How many match in all."""
        self._load(0)
        return self._total or 0

    def __len__(self) -> int:
        return self.total

    def __iter__(self) -> Iterator[R]:
        at = 0
        while True:
            self._load(at + 1)
            if at >= len(self._items):
                return
            yield self._items[at]
            at += 1

    def __getitem__(self, index: int) -> R:
        if index < 0:
            index += self.total
        self._load(index + 1)
        if not 0 <= index < len(self._items):
            raise IndexError(f"index {index} is outside of {self.total} items")
        return self._items[index]

    def __repr__(self) -> str:
        shown = [f"  {item!r}" for item in islice(self, SHOWN)]
        more = [f"  ... {self.total - SHOWN:,} more"] if self.total > SHOWN else []
        return "\n".join([f"Listing of {self.total:,}:", *shown, *more])

    def to_dicts(self) -> list[dict[str, Any]]:
        """All items as JSON values."""
        return [item.to_dict() for item in self]

    def to_pandas(self) -> pd.DataFrame:
        """All items as a data frame, one row each.

        Raises:
            LocalError: pandas is not installed.
        """
        return to_frame([item.to_row() if hasattr(item, "to_row") else item.to_dict() for item in self])

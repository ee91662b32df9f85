"""Counted keys of the hash tables of one resolution, thinned to a budget."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

HIGHEST_LEVEL = 31


class KeyTables:
    """Distinct keys with counts, table by table, in bounded memory.

    The level is the smallest at which the distinct keys of all tables that are divisible by 2**level fit the budget.
    It depends on the set of keys alone, and a subset never has a higher level than its superset. So thinning while
    rows still come, or merging parts thinned on their own, gives what thinning the whole at the end would give.
    """

    def __init__(self, tables: int, budget: int) -> None:
        """`keys` and `counts` hold one array per table: the sorted distinct keys, and how often each occurred."""
        self.level = 0
        self._budget = budget
        self.keys = [np.empty(0, np.uint32) for _ in range(tables)]
        self.counts = [np.empty(0, np.int64) for _ in range(tables)]

    def add_rows(self, keys: NDArray[np.uint32]) -> None:
        """Counts the keys of rows, one column per table, and thins if the budget is exceeded. [n, L]"""
        for table in range(keys.shape[1]):
            self._add(table, keys[:, table], np.ones(len(keys), np.int64))
        self.raise_level(self.level)

    def add_counted(self, level: int, keys: list[NDArray[np.uint32]], counts: list[NDArray[np.int64]]) -> None:
        """Adds what other tables hold, thinned to `level`; one entry per table."""
        for table, (table_keys, table_counts) in enumerate(zip(keys, counts, strict=True)):
            self._add(table, table_keys, table_counts)
        self.raise_level(level)

    def raise_level(self, level: int) -> None:
        """Thins to at least `level`, and further until the budget holds."""
        self.level = max(self.level, level)
        self._thin()
        while sum(map(len, self.keys)) > self._budget and self.level < HIGHEST_LEVEL:
            self.level += 1
            self._thin()

    def _add(self, table: int, keys: NDArray[np.uint32], counts: NDArray[np.int64]) -> None:
        kept = (keys & self._mask()) == 0
        keys = np.concatenate([self.keys[table], keys[kept]])
        counts = np.concatenate([self.counts[table], counts[kept]])
        self.keys[table], places = np.unique(keys, return_inverse=True)
        # Counts far below 2^53 add exactly in float64.
        self.counts[table] = np.bincount(places, counts, len(self.keys[table])).astype(np.int64)

    def _mask(self) -> np.uint32:
        return np.uint32((1 << self.level) - 1)

    def _thin(self) -> None:
        for table, keys in enumerate(self.keys):
            kept = (keys & self._mask()) == 0
            if not kept.all():
                self.keys[table], self.counts[table] = keys[kept], self.counts[table][kept]

"""Other ways to rank sources for a target, one file each, for `bench_search_index`.

A peer is fed rows, chunk by chunk, and then ranks by them. What it computes of the rows is its own.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Peer(Protocol):
    """A way to rank sources. Higher scores are better."""

    name: str
    most_sources: int
    """How many sources it can hold in the memory and time of this benchmark."""

    def add(self, rows: NDArray[np.int16]) -> None:
        """Takes n sources [n, r, d], in ticks."""

    def finish(self) -> None:
        """Called once after the last source."""

    def scores(self, target: NDArray[np.int16]) -> NDArray[np.float64]:
        """Scores of all sources for a target [r, d]. What is timed is this."""

    def size_bytes(self) -> int:
        """Memory of what it keeps, as far as it can tell."""

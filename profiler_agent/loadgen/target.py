"""What load is driven at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Target(Protocol):
    """Something that answers queries about samples, which are named by index."""

    samples: int
    """How many distinct samples there are."""

    def run(self, samples: Sequence[int]) -> object:
        """One call on these samples; returns when it is answered, raises where it fails. One call at a time."""

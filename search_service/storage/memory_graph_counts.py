"""What graphs take, in the memory database."""

from __future__ import annotations

from collections.abc import Sequence

from search_service.domain.graph_counts import GraphCounts
from search_service.storage.memory_session import MemorySession


class MemoryGraphCounts:
    """The counts as one session sees them."""

    def __init__(self, session: MemorySession) -> None:
        self._session = session

    def add(self, digest: str, counts: GraphCounts) -> None:
        self._session.write().graph_counts.setdefault(digest, counts)

    def get_many(self, digests: Sequence[str]) -> dict[str, GraphCounts]:
        known = self._session.read().graph_counts
        return {digest: known[digest] for digest in digests if digest in known}

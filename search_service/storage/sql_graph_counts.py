"""What graphs take, in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import sqlalchemy as sa

from search_service.domain.graph_counts import GraphCounts
from search_service.storage.profiling_tables import graph_counts
from search_service.storage.rows import Row
from search_service.storage.session import Session

_ALL = sa.select(graph_counts)


class SqlGraphCounts:
    """The counts as one session sees them."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, digest: str, counts: GraphCounts) -> None:
        self._session.insert_new(graph_counts, {"digest": digest, **asdict(counts)})

    def get_many(self, digests: Sequence[str]) -> dict[str, GraphCounts]:
        return {row.digest: _counts_of(row) for row in self._session.rows_in(_ALL, graph_counts.c.digest, digests)}


def _counts_of(row: Row) -> GraphCounts:
    return GraphCounts(
        parameters=row.parameters,
        operators=row.operators,
        flops=_whole(row.flops),
        activation_bytes=_whole(row.activation_bytes),
        detail=row.detail,
    )


def _whole(value: float | None) -> int | None:
    """FLOPs of a sample may be more than an integer of 64 bits holds."""
    return None if value is None else int(value)

"""Counts what stored ONNX artifacts take, in a process of its own."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from msearch_running.counting import count_each_apart
from msearch_running.counts import Counts
from msearch_running.errors import LoadFailed, RunError, RuntimeMissing
from search_service.domain.errors import NotFound
from search_service.domain.graph_counts import GraphCounts
from search_service.domain.ports import BlobStore

DEADLINE_S = 20.0
"""For all files of a call together: somebody waits for a job to be accepted."""


class GraphCounter:
    """Implements `domain.graph_counts.CountGraphs`. `folder` takes copies of the artifacts; it should be on a disk."""

    def __init__(self, blobs: BlobStore, folder: Path | None = None) -> None:
        self._blobs = blobs
        self._folder = folder

    def __call__(self, digests: Sequence[str]) -> dict[str, GraphCounts]:
        with tempfile.TemporaryDirectory(dir=self._folder, prefix="counting-") as name:
            paths = [path for digest in digests if (path := self._copied(digest, Path(name))) is not None]
            try:
                found = count_each_apart(paths, deadline_s=DEADLINE_S) if paths else []
            except RuntimeMissing:
                return {}
        known = {path.name: _known(one) for path, one in zip(paths, found, strict=True)}
        return {digest: counts for digest, counts in known.items() if counts is not None}

    def _copied(self, digest: str, folder: Path) -> Path | None:
        """None for a blob that went meanwhile."""
        path = folder / digest
        try:
            with path.open("wb") as file:
                for chunk in self._blobs.read(digest):
                    file.write(chunk)
        except NotFound:
            return None
        return path


def _known(found: Counts | RunError) -> GraphCounts | None:
    """What is to be remembered: also that a file cannot be counted, but not that there was no time."""
    if isinstance(found, Counts):
        return GraphCounts(
            parameters=found.parameters,
            operators=found.operator_count,
            flops=found.flops,
            activation_bytes=found.activation_bytes,
            detail=found.flops_detail,
        )
    return GraphCounts(detail=found.message) if isinstance(found, LoadFailed) else None

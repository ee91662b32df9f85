"""What the graphs of artifacts take: counted once an artifact, before a model was ever profiled."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphCounts:
    """Work of one sample. FLOPs and bytes of activations are None where they cannot be said; `detail` tells why."""

    parameters: int = 0
    operators: int = 0
    flops: int | None = None
    activation_bytes: int | None = None
    detail: str = ""


class GraphCountStore(Protocol):
    """Counts by digest of the artifact. They say nothing of whose it is, and stay when its models go."""

    def add(self, digest: str, counts: GraphCounts) -> None:
        """Adds them; harmless where they are there."""

    def get_many(self, digests: Sequence[str]) -> dict[str, GraphCounts]:
        """Those that are known, by digest."""


CountGraphs = Callable[[Sequence[str]], Mapping[str, GraphCounts]]
"""Counts stored ONNX artifacts by digest. What was not counted in time is left out, and may be asked for again."""

"""What is counted of a model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Size of a model.

    `parameters`: elements of its constants in floating point or of quantised weights. `flops`: floating-point
    operations of one sample, a multiply-add being two; None where it cannot be said, with the reason in `flops_detail`.
    `activation_bytes`: what the nodes write for one sample, views not counted; None where a shape is not known.
    `operators`: nodes by operator, domains other than ONNX's own before a colon. `size_bytes` of the file.
    """

    parameters: int
    flops: int | None
    flops_detail: str
    activation_bytes: int | None
    operators: Mapping[str, int]
    size_bytes: int

    @property
    def operator_count(self) -> int:
        """How many there are; constants do nothing."""
        return sum(self.operators.values()) - self.operators.get("Constant", 0)

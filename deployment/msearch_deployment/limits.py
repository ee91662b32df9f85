"""Limits on quantities, and by how much a value misses one."""

from __future__ import annotations

import math
from dataclasses import dataclass

RESPONSE_LATENCIES = frozenset({"mean_ms", "p50_ms", "p90_ms", "p95_ms", "p99_ms", "p999_ms", "max_ms"})
"""Quantities that grow with the rate of requests: only a rate at which they were measured vouches for them."""

_TINY = 1e-12


@dataclass(frozen=True, slots=True)
class Limit:
    """At most, or else at least, `value` of a quantity, in its unit. Raises ValueError if that is no number."""

    quantity: str
    at_most: bool
    value: float

    def __post_init__(self) -> None:
        if not math.isfinite(self.value):
            raise ValueError(f"the limit on {self.quantity} must be a finite number, not {self.value}")

    def holds(self, value: float) -> bool:
        """Whether a value meets it."""
        return value <= self.value if self.at_most else value >= self.value

    def excess(self, value: float) -> float:
        """By what share of the limit a value misses it; 0 where it holds."""
        if self.holds(value):
            return 0.0
        return abs(value - self.value) / max(abs(self.value), _TINY)

    def relaxed_to(self, value: float) -> Limit:
        """The limit that `value` meets too; itself where it holds already."""
        return self if self.holds(value) else Limit(self.quantity, self.at_most, value)

    def __str__(self) -> str:
        return f"{self.quantity}{'<=' if self.at_most else '>='}{self.value:.6g}"

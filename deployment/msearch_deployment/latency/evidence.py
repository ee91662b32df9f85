"""What a latency is predicted from: what a model takes, what a host can do at most, and what was measured before."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What one sample takes: FLOPs, bytes that operators write, parameters, number of operators (docs/profiling.md)."""

    flops: float
    activation_bytes: float
    parameters: float
    operators: float

    def __post_init__(self) -> None:
        for name in ("flops", "activation_bytes", "parameters", "operators"):
            value = getattr(self, name)
            if not 0 <= value < math.inf:
                raise ValueError(f"{name} must be at least 0 and finite, not {value:g}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Measured peaks of a host class with as many threads as the variant has: GFLOP/s and GB/s, above 0."""

    host_class: str
    gflop_per_s: float
    gb_per_s: float

    def __post_init__(self) -> None:
        for name in ("gflop_per_s", "gb_per_s"):
            value = getattr(self, name)
            if not 0 < value < math.inf:
                raise ValueError(f"{name} of {self.host_class} must be above 0 and finite, not {value:g}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One compiled model on one host: the model's name, its work, the machine, the batch.

    `weight_bytes`: of a parameter in the precision that it computes in.
    """

    model: str
    work: Work
    machine: Machine
    batch: int = 1
    weight_bytes: float = 4.0

    @property
    def compute_ms(self) -> float:
        """At least so long at the host's peak: FLOPs x batch / peak."""
        return self.work.flops * self.batch / (self.machine.gflop_per_s * 1e6)

    @property
    def memory_ms(self) -> float:
        """At least so long at the host's bandwidth: (weights + activations x batch) / bandwidth."""
        moved = self.work.parameters * self.weight_bytes + self.work.activation_bytes * self.batch
        return moved / (self.machine.gb_per_s * 1e6)

    @property
    def roofline_ms(self) -> float:
        """The longer of both: no host is faster than its roofline (Williams et al. 2009)."""
        return max(self.compute_ms, self.memory_ms)


@dataclass(frozen=True, slots=True)
class Observation:
    """A case with the latency that was measured, in milliseconds, above 0."""

    case: Case
    latency_ms: float

    def __post_init__(self) -> None:
        if not 0 < self.latency_ms < math.inf:
            raise ValueError(f"a latency must be above 0 and finite, not {self.latency_ms:g} ms")

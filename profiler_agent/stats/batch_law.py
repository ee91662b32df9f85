"""How the latency of a batch grows with its size: latency = slope x b + intercept, by least squares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class BatchLaw:
    """`slope_ms` a sample, `intercept_ms` a call; `r_squared` says how much of the spread the line explains."""

    slope_ms: float
    intercept_ms: float
    r_squared: float

    def latency_ms(self, batch_size: int) -> float:
        """What a batch of that size takes."""
        return self.slope_ms * batch_size + self.intercept_ms


def fit_batch_law(batch_sizes: Sequence[int], latencies_ms: Sequence[float]) -> BatchLaw:
    """Fits the law to the median latency of each batch size.

    Raises:
        ValueError: fewer than two different batch sizes, or as many latencies as sizes are not given.
    """
    sizes = np.asarray(batch_sizes, dtype=np.float64)
    latencies = np.asarray(latencies_ms, dtype=np.float64)
    if sizes.shape != latencies.shape or np.unique(sizes).size < 2:
        raise ValueError("a batch law needs the latencies of at least two different batch sizes")
    centred = sizes - sizes.mean()
    slope = float(centred @ latencies / (centred @ centred))
    intercept = float(latencies.mean() - slope * sizes.mean())
    spread = float(((latencies - latencies.mean()) ** 2).sum())
    missed = float(((latencies - slope * sizes - intercept) ** 2).sum())
    return BatchLaw(slope, intercept, 1.0 - missed / spread if spread else 1.0)

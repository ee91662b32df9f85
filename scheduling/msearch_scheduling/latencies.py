"""How long a call of a model takes, as far as stored profiles tell: what decides how long a slow model's runs last.

In this order: the same variant measured at this batch size; the batch law, latency = slope x b + intercept, through its
other batch sizes; other variants of the model, by the same law; its FLOPs by what other models reach on these hosts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One profile: `variant` names all but the batch size; `latency_s` is of a call; `flops` of a sample, if known."""

    variant: str
    batch_size: int
    latency_s: float
    flops: float | None = None


def expected_latency(variant: str, batch_size: int, model: Sequence[Measured]) -> float | None:
    """Seconds that a call of `batch_size` samples takes, from profiles of the model; None where there are none."""
    for known in ([one for one in model if one.variant == variant], model):
        if known:
            return _by_batch(known, batch_size)
    return None


def latency_by_flops(flops: float, batch_size: int, others: Sequence[Measured]) -> float | None:
    """Seconds for so many operations a sample, at the median rate of others; None where none has known FLOPs."""
    rates = [one.flops * one.batch_size / one.latency_s for one in others if one.flops]
    return flops * batch_size / median(rates) if rates else None


def _by_batch(known: Sequence[Measured], batch_size: int) -> float:
    same = [one.latency_s for one in known if one.batch_size == batch_size]
    if same:
        return median(same)
    sizes = np.array([one.batch_size for one in known], dtype=np.float64)
    latencies = np.array([one.latency_s for one in known])
    if np.unique(sizes).size < 2:
        # One point: a call costs at least what it did, and in proportion where the batch is larger.
        return float(np.median(latencies)) * max(1.0, batch_size / float(sizes[0]))
    slope, intercept = np.polyfit(sizes, latencies, 1)
    return float(max(slope * batch_size + intercept, latencies.min()))

"""Features of (candidate, target): what the means over rows say of a candidate beside the others.

The forest over rows says how likely each row is right; where candidates differ little, that does not order them. A
second forest learns the lead of each candidate over the mean of all from what is known of the target as a whole.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from msearch_accuracy.row_features import FEATURES, WHOLE

_COLUMNS = np.array([FEATURES.index(name) for name in WHOLE])

PAIR_FEATURES: tuple[str, ...] = (*WHOLE, *(f"lead_{name}" for name in WHOLE), "rows", "lead_rows", "level_rows")
"""Names of the columns; `rows` is the metric that the forest over rows expects."""


def whole_of(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """The columns that speak of the target as a whole, the same on each row. [C, n, F] -> [C, len(WHOLE)]"""
    whole: NDArray[np.float32] = features[:, 0, _COLUMNS]
    return whole


def pair_features(
    whole: NDArray[np.float32],
    values: NDArray[np.float64],
    typical: NDArray[np.float32] | None = None,
    level: float | None = None,
) -> NDArray[np.float32]:
    """Features of candidates beside the mean of all.

    Args:
        whole: [C, len(WHOLE)]
        values: [C], the metric expected by the forest over rows.
        typical: [len(WHOLE)], mean of all candidates; that of these by default.
        level: mean of all candidates' values; that of these by default.
    """
    middle = whole.mean(axis=0) if typical is None else typical
    mean = float(values.mean()) if level is None else level
    told = np.stack([values, values - mean, np.full(len(values), mean)], axis=1)
    return np.concatenate([whole, whole - middle, told], axis=1).astype(np.float32)

"""How the shares of classes differ between two datasets: counted, or told by the nearest rows of the labelled one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import erfc, sqrt

import numpy as np
from numpy.typing import NDArray

_AT_ONCE = 512


@dataclass(frozen=True, slots=True)
class ClassShift:
    """A class's share of the base and of the target. `p_value`: of a two-sided test of two shares, corrected for the
    number of classes (Bonferroni).
    """

    name: str
    base: float
    target: float
    p_value: float


def compare_shares(base: Mapping[str, float], target: Mapping[str, float]) -> tuple[ClassShift, ...]:
    """From row counts by class; the largest change first. Empty where one of them counts nothing."""
    n, m = sum(base.values()), sum(target.values())
    if not n or not m:
        return ()
    names = sorted({*base, *target})
    shifts = []
    for name in names:
        a, b = base.get(name, 0) / n, target.get(name, 0) / m
        pooled = (a * n + b * m) / (n + m)
        error = sqrt(max(pooled * (1 - pooled) * (1 / n + 1 / m), 1e-300))
        shifts.append(ClassShift(name, a, b, min(1.0, len(names) * erfc(abs(a - b) / error / sqrt(2)))))
    return tuple(sorted(shifts, key=lambda shift: (-abs(shift.target - shift.base), shift.name)))


def nearest_classes(
    rows: NDArray[np.integer] | None, others: NDArray[np.integer], classes: NDArray[np.integer]
) -> NDArray[np.integer]:
    """The class of each row's [n, d] nearest other row [m, d]; of the others themselves, each without itself, if None.

    Compared with one another the two make up for most of what a nearest neighbour gets wrong.
    """
    reference = np.asarray(others, np.float64)
    asked = reference if rows is None else np.asarray(rows, np.float64)
    norms = (reference**2).sum(axis=1)
    found = np.empty(len(asked), np.int64)
    for start in range(0, len(asked), _AT_ONCE):
        part = asked[start : start + _AT_ONCE]
        squares = norms - 2 * part @ reference.T
        if rows is None:
            squares[np.arange(len(part)), start + np.arange(len(part))] = np.inf
        found[start : start + len(part)] = squares.argmin(axis=1)
    return classes[found]

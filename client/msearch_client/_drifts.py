"""What a comparison of a target with its base returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from msearch_client._records import Record


@dataclass(frozen=True, slots=True)
class ClassShift(Record):
    """A class's share of the base and of the target; `p_value` of the change, corrected for the number of classes."""

    name: str
    base: float
    target: float
    p_value: float


@dataclass(frozen=True, slots=True)
class Outlier(Record):
    """A target row where the base has none. `row` counts from 0.

    `distance` is that to the nearest base row, in multiples of the base's reach (within which 99 % of its own rows have
    a neighbour); None where only the base's signature was at hand.
    """

    row: int
    distance: float | None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Drift(Record):
    """Whether a target has moved away from its base.

    `verdict`: NONE (no difference found at level `alpha`), SLIGHT, or MOVED (an `effect` of 0.01 or more, or
    `uncovered` of 0.06 or more). `basis`: "rows" or "signatures". `p_value`: the chance of such a difference where
    there is none.
    `effect`: share of the spread of both that their difference makes up, from 0 to 1. `mmd`: squared maximum mean
    discrepancy, unbiased. `uncovered`: share of the target's rows outside the base's reach, 0.01 if nothing moved;
    `uncovered_base` the other way round. `coverage` and `coverage_of_base`: adaptivity in both directions.
    `class_shifts`: the largest first, counted from labels if `classes_counted`, else as the nearest labelled base rows
    tell. `outliers`: at most 20, the farthest first.
    """

    verdict: Literal["NONE", "SLIGHT", "MOVED"]
    basis: Literal["rows", "signatures"]
    target: str
    base: str
    target_rows: int
    base_rows: int
    p_value: float
    alpha: float
    effect: float
    mmd: float
    uncovered: float
    uncovered_base: float
    coverage: float | None
    coverage_of_base: float | None
    class_shifts: tuple[ClassShift, ...]
    classes_counted: bool
    outliers: tuple[Outlier, ...]
    notices: tuple[str, ...]

    def __repr__(self) -> str:
        return (
            f"Drift({self.verdict}, p={self.p_value:.3g}, effect={self.effect:.4f}, "
            f"uncovered={self.uncovered:.3f}, {self.basis})"
        )

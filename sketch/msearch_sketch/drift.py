"""Has a target moved away from the data that a model was built on: its base?

    verdict NONE    the test finds no difference at level `alpha`
            MOVED   it does, and the difference matters: its effect is at least 0.01, or the share of target rows that
                    lie outside the base's reach is at least 0.05 more than the 0.01 that do so by construction
            SLIGHT  it does, and neither holds

An effect of 0.01 (one per cent of the spread) is what Cohen (1988) calls small. With rows of both at hand the test is a
permutation test, whose false alarms are at most `alpha`; with signatures alone a more cautious one that finds less
(`two_sample_tests`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from msearch_sketch.class_shifts import ClassShift, compare_shares, nearest_classes
from msearch_sketch.errors import SignatureError, SketchError
from msearch_sketch.labelled_points import Classes, LabelledPoints
from msearch_sketch.row_coverage import QUANTILE, bucket_coverage, measure_reach, signature_coverage
from msearch_sketch.signature import Signature
from msearch_sketch.spaces import FeatureSpace
from msearch_sketch.two_sample_tests import TestResult, kernel_test, signature_test

LEAST_ROWS = 5
EFFECT, EXCESS = 0.01, 0.05
_MOST_ROWS = 2_000
"""Rows of each side that the test looks at; more are thinned evenly."""
_MOST_PLACED = 20_000
"""Target rows that are placed against the base, likewise."""
_EXAMPLES = 20

Word = Literal["NONE", "SLIGHT", "MOVED"]


@dataclass(frozen=True, slots=True)
class Outlier:
    """A target row outside the base's reach. `row` counts from 0.

    `distance`: to the nearest base row, in multiples of the base's reach; None where only signatures were compared.
    """

    row: int
    distance: float | None


@dataclass(frozen=True, slots=True)
class Drift:
    """How a target lies to its base. `basis` says what was at hand.

    `p_value`, `effect`, `mmd`: see `two_sample_tests.TestResult`. `uncovered`: share of the target outside the base's
    reach, `uncovered_base` the other way round; 0.01 of a set lies outside its own. `coverage`, `coverage_of_base`: the
    adaptivity of the base for the target, and the other way round. `class_shifts`: counted if `classes_counted`, else
    as the nearest rows of the base tell; empty if the base has no labels. `outliers`: the farthest rows first.
    """

    verdict: Word
    basis: Literal["rows", "signatures"]
    p_value: float
    alpha: float
    effect: float
    mmd: float
    uncovered: float
    uncovered_base: float
    coverage: float
    coverage_of_base: float
    base_rows: int
    target_rows: int
    class_shifts: tuple[ClassShift, ...]
    classes_counted: bool
    outliers: tuple[Outlier, ...]
    notices: tuple[str, ...]


def judge(test: TestResult, uncovered: float, alpha: float) -> Word:
    """The verdict's rule."""
    if test.p_value > alpha:
        return "NONE"
    return "MOVED" if test.effect >= EFFECT or uncovered - (1 - QUANTILE) >= EXCESS else "SLIGHT"


def compare_rows(
    target: LabelledPoints,
    base: LabelledPoints,
    signatures: tuple[Signature, Signature],
    *,
    alpha: float = 0.01,
    permutations: int = 999,
    seed: int = 0,
) -> Drift:
    """From the rows of both; `signatures` are those of target and base.

    Raises:
        SketchError: one has fewer than five rows, or `alpha` cannot be reached.
    """
    _check(len(target.ticks), len(base.ticks), alpha)
    if alpha < 1 / (permutations + 1):
        raise SketchError(f"a level of {alpha} needs at least {int(np.ceil(1 / alpha)) - 1} permutations")
    kept, base_kept = _spread(len(target.ticks), _MOST_ROWS), _spread(len(base.ticks), _MOST_ROWS)
    placed = _thin(target)
    reference = base.ticks[base_kept]
    test = kernel_test(target.ticks[kept], reference, permutations=permutations, seed=seed)
    reach, back = measure_reach(placed.ticks, reference), measure_reach(reference, target.ticks[kept])
    far = np.argsort(-reach.distances, kind="stable")
    far = far[reach.uncovered[far]][:_EXAMPLES]
    counted = target.classes is not None and base.classes is not None
    uncovered = float(reach.uncovered.mean())
    return _report(
        test,
        "rows",
        (uncovered, float(back.uncovered.mean())),
        signatures,
        (len(base.ticks), len(target.ticks)),
        alpha=alpha,
        shifts=_row_shifts(target, placed, base, base_kept),
        counted=counted,
        outliers=tuple(Outlier(int(placed.numbers[row]), float(reach.distances[row])) for row in far),
    )


def compare_signatures(
    target: Signature,
    base: Signature,
    *,
    space: FeatureSpace | None = None,
    rows: LabelledPoints | None = None,
    alpha: float = 0.01,
) -> Drift:
    """From signatures alone; `rows` of the target, with their `space`, tell which of them lie outside.

    Raises:
        SignatureError: the signatures are of different spaces, or have no two centroids.
        SketchError: `alpha` is out of range.
    """
    if target.space_digest != base.space_digest:
        raise SignatureError("the signatures are of different feature spaces: sketch both in one")
    _check(target.row_count, base.row_count, alpha)
    if len(target.centroids) < 2 or len(base.centroids) < 2:
        raise SignatureError("the signatures have fewer than two centroids: too few rows to compare")
    own, other = (signature.centroid_weights.astype(np.float64) for signature in (target, base))
    reach = measure_reach(target.centroids, base.centroids, other)
    back = measure_reach(base.centroids, target.centroids, own)
    outliers: tuple[Outlier, ...] = ()
    if rows is not None and space is not None:
        placed = _thin(rows)
        shares = bucket_coverage(placed.ticks, base, space)
        outliers = tuple(Outlier(int(placed.numbers[row]), None) for row in np.flatnonzero(shares == 0)[:_EXAMPLES])
    return _report(
        signature_test(target, base),
        "signatures",
        (float(np.average(reach.uncovered, weights=own)), float(np.average(back.uncovered, weights=other))),
        (target, base),
        (base.row_count, target.row_count),
        alpha=alpha,
        shifts=_signature_shifts(target, base),
        counted=bool(target.classes and base.classes),
        outliers=outliers,
    )


def _report(
    test: TestResult,
    basis: Literal["rows", "signatures"],
    uncovered: tuple[float, float],
    signatures: tuple[Signature, Signature],
    counts: tuple[int, int],
    *,
    alpha: float,
    shifts: tuple[ClassShift, ...],
    counted: bool,
    outliers: tuple[Outlier, ...],
) -> Drift:
    target, base = signatures
    notices = []
    fewest = min(counts)
    if fewest < 50:
        notices.append(f"only {fewest} rows on one side: a drift must be large to be found")
    if basis == "signatures":
        notices.append("only signatures were compared: the test is cautious, and small drifts need the base's rows")
    return Drift(
        verdict=judge(test, uncovered[0], alpha),
        basis=basis,
        p_value=test.p_value,
        alpha=alpha,
        effect=test.effect,
        mmd=test.mmd,
        uncovered=uncovered[0],
        uncovered_base=uncovered[1],
        coverage=signature_coverage(target, base),
        coverage_of_base=signature_coverage(base, target),
        base_rows=counts[0],
        target_rows=counts[1],
        class_shifts=shifts,
        classes_counted=counted,
        outliers=outliers,
        notices=tuple(notices),
    )


def _row_shifts(
    target: LabelledPoints, placed: LabelledPoints, base: LabelledPoints, kept: NDArray[np.int64]
) -> tuple[ClassShift, ...]:
    if base.classes is None:
        return ()
    if target.classes is not None:
        return compare_shares(_count(base.classes, base.names), _count(target.classes, target.names))
    reference, classes = base.ticks[kept], base.classes[kept]
    told = nearest_classes(placed.ticks, reference, classes)
    return compare_shares(_count(nearest_classes(None, reference, classes), base.names), _count(told, base.names))


def _signature_shifts(target: Signature, base: Signature) -> tuple[ClassShift, ...]:
    if not base.classes:
        return ()
    if target.classes:
        named = [dict(zip(s.classes, s.class_counts.tolist(), strict=True)) for s in (base, target)]
        return compare_shares(named[0], named[1])
    own = nearest_classes(None, base.centroids, base.centroid_classes)
    told = nearest_classes(target.centroids, base.centroids, base.centroid_classes)
    return compare_shares(
        _count(own, base.classes, base.centroid_weights), _count(told, base.classes, target.centroid_weights)
    )


def _count(classes: Classes, names: tuple[str, ...], weights: NDArray[np.integer] | None = None) -> Mapping[str, float]:
    known = classes >= 0
    counts = np.bincount(classes[known], None if weights is None else weights[known], len(names))
    return dict(zip(names, counts.tolist(), strict=True))


def _check(target: int, base: int, alpha: float) -> None:
    for name, count in (("target", target), ("base", base)):
        if count < LEAST_ROWS:
            raise SketchError(f"the {name} has {count} readable rows; at least {LEAST_ROWS} are needed to compare")
    if not 0 < alpha < 1:
        raise SketchError(f"alpha must lie between 0 and 1, not {alpha}")


def _thin(points: LabelledPoints) -> LabelledPoints:
    """At most `_MOST_PLACED` of the rows, spread evenly, under their own numbers."""
    kept = _spread(len(points.ticks), _MOST_PLACED)
    return LabelledPoints(points.ticks[kept], points.numbers[kept])


def _spread(count: int, most: int) -> NDArray[np.int64]:
    """At most `most` positions of `count`, spread evenly."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(np.int64))

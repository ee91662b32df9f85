"""Fitted scaling that is the same to the bit everywhere: order statistics, short decimals, integer projections.

Means of many floats depend on the order of summation, order statistics do not. The constants that enter a feature
space are rounded to six significant digits, so the document stays short and readable.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from msearch_sketch.errors import SpaceError
from msearch_sketch.randomness import draw_signs
from msearch_sketch.spaces import CLIP_TICKS, MOST_DIMENSIONS, TICKS_PER_UNIT, FeatureSpace, FourierFeatures, HashFamily

_QUARTILES_OF_A_GAUSSIAN = 1.349  # interquartile range over standard deviation
_MEAN_DEVIATION_OF_A_GAUSSIAN = 0.798  # mean absolute deviation over standard deviation
_CLIP_UNITS = 4.0  # one wild value must not outweigh all other columns together
_SAMPLE_ROWS = 1024
_WIDTHS = (1, 2, 4, 8)
_DEFAULT_DISTANCE_UNITS = 1.4  # between two draws of a standard Gaussian, per root of the dimension
_PROJECTION_ROOT = 8  # square root of MOST_DIMENSIONS


def fit_robust(values: NDArray[np.float64]) -> tuple[float, float]:
    """Median and robust standard deviation of finite values [n], n at least 1.

    The scale is the interquartile range over 1.349; where that is 0, the mean absolute deviation from the median over
    0.798; where all values are equal, 1.
    """
    ordered = np.sort(values)
    last = len(ordered) - 1
    median = float(ordered[last // 2])
    scale = float(ordered[last - last // 4] - ordered[last // 4]) / _QUARTILES_OF_A_GAUSSIAN
    if not scale > 0:
        scale = math.fsum(np.abs(ordered - median)) / len(ordered) / _MEAN_DEVIATION_OF_A_GAUSSIAN
    return shorten(median), shorten(scale) if 0 < scale < math.inf else 1.0


def shorten(value: float) -> float:
    """Six significant digits."""
    return float(f"{value:.6g}")


def scale_to_ticks(
    values: NDArray[np.float64], locations: NDArray[np.float64], scales: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Finite values [n, D] as integer ticks of the fitted scale, within +-4 units."""
    with np.errstate(over="ignore"):  # a huge value over a tiny scale is clipped like any other
        units = np.clip((values - locations) / scales, -_CLIP_UNITS, _CLIP_UNITS)
    return np.rint(units * TICKS_PER_UNIT).astype(np.int64)


def project_signs(ticks: NDArray[np.int64], seed: int) -> NDArray[np.int16]:
    """At most 64 dimensions: the ticks [n, D] themselves where D allows, else a random projection of them.

    The projection has entries +-1 / sqrt(64) (Achlioptas 2003), which keeps distances in expectation.
    """
    dimension = ticks.shape[1]
    if dimension > MOST_DIMENSIONS:
        signs = draw_signs(seed, 1, (dimension, MOST_DIMENSIONS))
        # float64 holds these integers exactly and multiplies matrices faster than int64.
        sums = (ticks.astype(np.float64) @ signs.astype(np.float64)).astype(np.int64)
        ticks = (sums + _PROJECTION_ROOT // 2) // _PROJECTION_ROOT
    return np.clip(ticks, -CLIP_TICKS, CLIP_TICKS).astype(np.int16)


def fit_geometry(space: FeatureSpace, ticks: NDArray[np.int16]) -> FeatureSpace:
    """The space with hash widths and kernel bandwidth set by the distances among the rows it was fitted on.

    c is the median distance of a row [n, d] to its nearest other row, among at most 1,024 rows. The four widths are
    c times `_WIDTHS`; the bandwidth is the median distance between rows (the median heuristic).
    """
    sample = ticks[:: -(-len(ticks) // _SAMPLE_ROWS)].astype(np.float64)
    squares = (sample**2).sum(axis=1)
    distances = np.maximum(squares[:, None] + squares - 2 * sample @ sample.T, 0.0)  # of integers: exact
    count = len(sample)
    typical = _DEFAULT_DISTANCE_UNITS * math.sqrt(space.dimension) * TICKS_PER_UNIT
    nearest = typical / 2
    if count > 1:
        pairs = np.sort(distances[np.triu_indices(count, 1)])
        typical = math.sqrt(pairs[len(pairs) // 2]) or typical
        np.fill_diagonal(distances, np.inf)
        nearest = math.sqrt(np.sort(distances.min(axis=1))[count // 2])
        nearest = min(max(nearest, typical / 16), typical)
    widths = tuple(max(int(nearest), 1) * factor for factor in _WIDTHS)
    return replace(
        space,
        hashing=HashFamily(widths_ticks=widths),
        fourier=FourierFeatures(bandwidth_ticks=max(int(typical), 1)),
    )


def read_numbers(space: FeatureSpace, name: str, count: int) -> NDArray[np.float64]:
    """The `count` finite numbers of a parameter of the space; scales must be positive.

    Raises:
        SpaceError: the document of the space does not hold them.
    """
    values = space.parameters.get(name)
    if not isinstance(values, list) or len(values) != count:
        raise SpaceError(f"the space's parameter {name!r} must be a list of {count} numbers")
    if not all(isinstance(value, (int, float)) and math.isfinite(value) for value in values):
        raise SpaceError(f"the space's parameter {name!r} must hold finite numbers only")
    if name.endswith("scales") and not all(value > 0 for value in values):
        raise SpaceError(f"the space's parameter {name!r} must hold positive numbers only")
    return np.array(values, np.float64)

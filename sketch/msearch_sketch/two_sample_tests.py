"""Do two datasets come from one distribution? Tests whose rate of false alarms is the level that is asked for.

Both suppose that the rows are independent draws; rows that hang together (frames of one film) alarm too often.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import erfc, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msearch_sketch.fourier import COSINE_UNIT
from msearch_sketch.signature import Signature

_FREQUENCIES = 128
_BANDWIDTHS = (0.5, 1.0, 2.0)
_PAIRS = 2_000
_AT_ONCE = 250

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class TestResult:
    """`p_value`: chance of a difference this large or larger where there is none. `mmd`: unbiased squared MMD.

    `effect`: share of the spread of both together, in the kernel's feature space, that their difference makes up, from
    0 to 1 whatever the numbers of rows: mmd / 4 over the spread of two equal halves.
    """

    __test__ = False  # not a class of tests

    p_value: float
    mmd: float
    effect: float


def kernel_test(
    first: NDArray[np.integer], second: NDArray[np.integer], *, permutations: int = 999, seed: int = 0
) -> TestResult:
    """Permutation test of the squared maximum mean discrepancy (Gretton et al. 2012).

    The kernel is the mean of three Gaussian ones, at half, once and twice the median distance of pooled rows, through
    random Fourier features (Rahimi & Recht 2007). Which set a row is of plays no part in the choice, so the p-value
    holds exactly: (1 + permutations that differ as much) / (1 + permutations).

    Args:
        first: rows [n, d] of one set, at least two.
        second: rows [m, d] of the other, at least two.
        permutations: how many; the p-value is at least 1 / (permutations + 1).
        seed: of features and permutations.
    """
    random = np.random.default_rng(seed)
    rows = np.concatenate([first, second]).astype(np.float64)
    features = _features(rows, random)
    count, own = len(rows), len(first)
    member = np.zeros(count)
    member[:own] = 1.0
    observed = _distance(member[None], features)[0]
    at_least = 0
    for start in range(0, permutations, _AT_ONCE):
        number = min(_AT_ONCE, permutations - start)
        drawn = random.permuted(np.tile(member, (number, 1)), axis=1)
        # Beyond rounding: sets of equal rows differ by nothing in any order.
        at_least += int((_distance(drawn, features) >= observed - 1e-12).sum())
    return _result(
        (1 + at_least) / (1 + permutations), features[:own].mean(0), features[own:].mean(0), own, count - own
    )


def signature_test(first: Signature, second: Signature) -> TestResult:
    """Tests two signatures of one space, without any row.

    Each signature holds the means of cos and sin of F frequencies, and of d features with their variances. Since
    cos^2 + sin^2 = 1, the spread of a frequency is known: 1 - |mean|^2. Each difference, over its standard error,
    exceeds a value no more often than a normal variable's absolute value does beyond the 5 % level (for a frequency:
    the worst case, all of its spread along one line), and Bonferroni's correction over F + d differences makes one
    p-value of them. It rests on the central limit theorem: below about 50 rows it is rough.

    Both have at least two rows.
    """
    n, m = first.row_count, second.row_count
    own, other = _mean_embedding(first), _mean_embedding(second)
    size = own.size // 2
    # Per frequency: cos and sin are in the two halves; unscaled, so that each has modulus 1.
    scale = sqrt(size)
    difference = ((own - other) * scale).reshape(2, size)
    pooled = ((n * own + m * other) / (n + m) * scale).reshape(2, size)
    spread = np.maximum(1 - (pooled**2).sum(axis=0), 0) * (1 / n + 1 / m)
    statistics = [(difference**2).sum(axis=0) / np.maximum(spread, 1e-12)]
    # A feature that is constant in both has no spread, and tells only if it differs at all.
    variance = (n * first.variance + m * second.variance) / (n + m) * (1 / n + 1 / m)
    gap = first.mean - second.mean
    statistics.append(np.where(np.abs(gap) < 1e-9, 0.0, gap**2 / np.maximum(variance, 1e-12)))
    every = np.concatenate(statistics)
    p_value = min(1.0, every.size * erfc(sqrt(float(every.max()) / 2)))
    return _result(p_value, own, other, n, m)


def _mean_embedding(signature: Signature) -> Floats:
    """Mean of sqrt(1/F) (cos, sin)(omega . x). [2 F]"""
    size = signature.fourier_sums.size // 2
    return np.asarray(signature.fourier_sums / (signature.row_count * COSINE_UNIT * sqrt(size)), np.float64)


def _features(rows: Floats, random: np.random.Generator) -> Floats:
    """Random Fourier features of the mean of three Gaussian kernels. Each row has norm 1. [N, 2 F]"""
    left, right = random.integers(0, len(rows), (2, _PAIRS))
    distances = np.sqrt(((rows[left] - rows[right]) ** 2).sum(axis=1))[left != right]
    distances = distances[distances > 0]
    middle = float(np.median(distances)) if len(distances) else 1.0
    parts = []
    for factor in _BANDWIDTHS:
        angles = rows @ (random.standard_normal((rows.shape[1], _FREQUENCIES)) / (factor * middle))
        parts += [np.cos(angles), np.sin(angles)]
    stacked: Floats = np.concatenate(parts, axis=1) / sqrt(_FREQUENCIES * len(_BANDWIDTHS))
    return stacked


def _distance(members: Floats, features: Floats) -> Floats:
    """Squared distance of the mean features of members (1) and of the others (0). [P, N], [N, 2 F] -> [P]"""
    own = members.sum(axis=1, keepdims=True)
    sums = members @ features
    gap: Floats = sums / own - (features.sum(axis=0) - sums) / (members.shape[1] - own)
    return np.asarray((gap**2).sum(axis=1), np.float64)


def _result(p_value: float, own: NDArray[Any], other: NDArray[Any], n: int, m: int) -> TestResult:
    """MMD and effect from mean embeddings of rows of norm 1."""
    squares = [(count * float(mean @ mean) - 1) / (count - 1) for mean, count in ((own, n), (other, m))]
    mmd = sum(squares) - 2 * float(own @ other)
    spread = 1 - float(((own + other) / 2) @ ((own + other) / 2))
    return TestResult(p_value, mmd, float(np.clip(mmd / 4 / max(spread, 1e-9), 0, 1)))

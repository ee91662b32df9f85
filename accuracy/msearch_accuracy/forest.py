"""A forest of decision trees as plain arrays: evaluated by numpy alone, kept without pickle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msearch_accuracy.errors import AccuracyError

_AT_ONCE = 16_384
"""Pairs of a tree and a row that are followed together: few rows through many trees cost no more calls than that."""


@dataclass(frozen=True, slots=True, eq=False)
class Forest:
    """T trees in one list of nodes.

    Node i goes to `children[2 i]` where x[features[i]] <= thresholds[i], else to `children[2 i + 1]`; a leaf goes to
    itself, and `values` holds the mean of what was to be learned there. `roots` [T]; `depth`: the most steps.
    """

    roots: NDArray[np.int32]
    features: NDArray[np.int16]
    thresholds: NDArray[np.float32]
    children: NDArray[np.int32]
    values: NDArray[np.float32]
    depth: int

    def predict(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """The mean of the trees for feature rows [n, F]."""
        matrix = np.ascontiguousarray(rows, np.float32)
        count, width = matrix.shape
        flat = matrix.ravel()
        starts = np.arange(count) * width
        # `take` with whole numbers of the machine's own size is several times as fast as indexing with smaller ones.
        features, children = self.features.astype(np.intp), self.children.astype(np.intp)
        total = np.zeros(count, np.float32)
        together = max(1, _AT_ONCE // max(1, count))
        for first in range(0, len(self.roots), together):
            roots = self.roots[first : first + together].astype(np.intp)
            node = np.broadcast_to(roots[:, None], (len(roots), count))
            for _ in range(self.depth):
                right = flat.take(features.take(node) + starts) > self.thresholds.take(node)
                node = children.take(2 * node + right)
            total += self.values.take(node).sum(axis=0)
        return total / np.float32(len(self.roots))

    def arrays(self, prefix: str) -> dict[str, NDArray[Any]]:
        """What a file keeps; halved where it can be."""
        return {
            f"{prefix}roots": self.roots,
            f"{prefix}features": self.features,
            f"{prefix}thresholds": self.thresholds,
            f"{prefix}children": self.children,
            f"{prefix}values": self.values.astype(np.float16),
        }

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, NDArray[Any]], prefix: str, width: int) -> Forest:
        """Checks and takes what a file kept.

        Raises:
            AccuracyError: the arrays are no forest over `width` features.
        """
        try:
            roots, children = arrays[f"{prefix}roots"], arrays[f"{prefix}children"]
            features, thresholds = arrays[f"{prefix}features"], arrays[f"{prefix}thresholds"]
            values = arrays[f"{prefix}values"].astype(np.float32)
        except KeyError as error:
            raise AccuracyError(f"the predictor lacks the array {error}") from None
        count = len(features)
        kinds = [(roots, "i"), (children, "i"), (features, "i"), (thresholds, "f")]
        sound = (
            all(array.ndim == 1 and array.dtype.kind == kind for array, kind in kinds)
            and len(thresholds) == len(values) == count
            and len(children) == 2 * count
            and len(roots) > 0
            and all(len(a) and a.min() >= 0 and a.max() < most for a, most in [(roots, count), (children, count)])
            and features.min() >= 0
            and features.max() < width
            and bool(np.isfinite(values).all())
        )
        depth = _depth(roots, children) if sound else 0
        if not depth:
            raise AccuracyError("the predictor's trees are corrupt")
        return cls(roots, features, thresholds, children, values, depth)

    @classmethod
    def of_sklearn(cls, forest: Any) -> Forest:
        """The trees of a fitted scikit-learn forest of regressors of one number."""
        roots, features, thresholds, children, values = [], [], [], [], []
        at = 0
        for estimator in forest.estimators_:
            tree = estimator.tree_
            own = np.arange(tree.node_count)
            leaf = tree.children_left < 0
            roots.append(at)
            features.append(np.where(leaf, 0, tree.feature))
            thresholds.append(_round_down(np.where(leaf, 0.0, tree.threshold)))
            pair = np.stack([tree.children_left, tree.children_right], axis=1)
            children.append((np.where(leaf[:, None], own[:, None], pair) + at).ravel())
            values.append(tree.value[:, 0, 0])
            at += tree.node_count
        root_array, child_array = np.array(roots, np.int32), np.concatenate(children).astype(np.int32)
        return cls(
            root_array,
            np.concatenate(features).astype(np.int16),
            np.concatenate(thresholds),
            child_array,
            # As a file keeps them, so that a predictor is the same before and after it was stored.
            np.concatenate(values).astype(np.float16).astype(np.float32),
            max(1, _depth(root_array, child_array)),
        )


def _round_down(thresholds: NDArray[np.float64]) -> NDArray[np.float32]:
    """The largest float32 not above each: x <= t then holds for the same float32 x."""
    rounded = thresholds.astype(np.float32)
    above = rounded.astype(np.float64) > thresholds
    rounded[above] = np.nextafter(rounded[above], np.float32(-np.inf))
    return rounded


def _depth(roots: NDArray[np.int32], children: NDArray[np.int32]) -> int:
    """Steps until every path has reached a leaf; 0 where one never does."""
    nodes = np.unique(roots)
    for depth in range(1, 65):
        left, right = children[2 * nodes], children[2 * nodes + 1]
        inner = (left != nodes) | (right != nodes)
        if not inner.any():
            return depth
        if ((left <= nodes) | (right <= nodes))[inner].any():
            return 0  # a cycle: trees are listed with parents first
        nodes = np.unique(np.concatenate([left[inner], right[inner]]))
    return 0

"""What is known of candidates and of a target: the input of the predictor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msearch_accuracy.errors import AccuracyError
from msearch_sketch.signature import Signature, Validation
from msearch_sketch.spaces import TICKS_PER_UNIT

__all__ = ["CandidateEvidence", "Coreset", "TargetEvidence", "Validation"]


@dataclass(frozen=True, slots=True, eq=False)
class Coreset:
    """The labelled centroids of a source: what stands in for its rows.

    `points` [m, d] in units of the feature space, `weights` [m] in rows, `labels` [m]: index into `classes`, or -1.
    `spacing` is the median distance of a centroid to its nearest neighbour: the source's own length scale.
    """

    name: str
    points: NDArray[np.float32]
    weights: NDArray[np.float32]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    spacing: float

    @classmethod
    def of(cls, name: str, signature: Signature) -> Coreset | None:
        """The coreset of a signature, or None where it has no centroids."""
        if not len(signature.centroids):
            return None
        return cls.of_points(
            name,
            signature.centroids.astype(np.float32) / np.float32(TICKS_PER_UNIT),
            signature.centroid_weights.astype(np.float32),
            signature.centroid_classes.astype(np.int64),
            signature.classes,
        )

    @classmethod
    def of_points(
        cls,
        name: str,
        points: NDArray[np.float32],
        weights: NDArray[np.float32],
        labels: NDArray[np.int64],
        classes: tuple[str, ...],
    ) -> Coreset:
        """A coreset with its spacing measured; one centroid alone has a spacing of 1."""
        spacing = 1.0
        if len(points) > 1:
            distances = pairwise_distances(points, points)
            np.fill_diagonal(distances, np.inf)
            spacing = float(np.median(distances.min(axis=1))) + 1e-6
        return cls(name, points, weights, labels, classes, spacing)


@dataclass(frozen=True, slots=True, eq=False)
class CandidateEvidence:
    """A model that might be used on the target.

    `probabilities` [n, len(classes)] are its outputs on the target's rows, or None where it was not run.
    `accuracy` is what its validation, or else its author, says; None where nothing is said.
    `temperature` is the one that calibrates `probabilities` on its validation rows; 1 leaves them alone.
    """

    name: str
    classes: tuple[str, ...]
    probabilities: NDArray[Any] | None = None
    source: Coreset | None = None
    accuracy: float | None = None
    temperature: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class TargetEvidence:
    """Rows of the target in the feature space, in ticks [n, d]; `weights` [n] where they are centroids of several."""

    ticks: NDArray[Any]
    weights: NDArray[Any] | None = None

    def __post_init__(self) -> None:
        if self.ticks.ndim != 2 or not len(self.ticks):
            raise AccuracyError(f"a target needs rows [n, d], but it has shape {list(self.ticks.shape)}")
        if self.weights is not None and (
            self.weights.shape != (len(self.ticks),) or not np.isfinite(self.weights).all() or (self.weights <= 0).any()
        ):
            raise AccuracyError("the target's weights must be one positive number a row")

    @property
    def row_count(self) -> int:
        """Rows it stands for."""
        return len(self.ticks) if self.weights is None else round(float(self.weights.sum()))

    @classmethod
    def of(cls, signature: Signature) -> TargetEvidence:
        """The weighted centroids of a target's signature, for a target whose rows are not at hand."""
        if not len(signature.centroids):
            raise AccuracyError("the target's signature has no centroids: sketch at least as many rows as a cell needs")
        return cls(signature.centroids, signature.centroid_weights)


def pairwise_distances(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    """Euclidean distances [len(a), len(b)]."""
    squares = (a * a).sum(axis=1)[:, None] + (b * b).sum(axis=1)[None] - 2 * (a @ b.T)
    distances: NDArray[np.float32] = np.sqrt(np.maximum(squares, 0)).astype(np.float32)
    return distances

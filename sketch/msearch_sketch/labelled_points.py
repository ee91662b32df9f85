"""The rows of a dataset as points of a feature space, with their classes where it is labelled."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from msearch_sketch.class_names import ClassNames
from msearch_sketch.datasets import Dataset
from msearch_sketch.points import project
from msearch_sketch.spaces import FeatureSpace

Classes = NDArray[np.integer]


@dataclass(frozen=True, slots=True, eq=False)
class LabelledPoints:
    """Rows [n, d] in ticks, perhaps with classes: [n] positions in `names`, -1 where unknown; None without labels.

    `numbers` [n]: which rows of the dataset these are, where some could not be read. `problem` is why, or "".
    """

    ticks: NDArray[np.integer]
    numbers: NDArray[np.integer]
    classes: Classes | None = None
    names: tuple[str, ...] = ()
    problem: str = ""


def read_labelled_points(dataset: Dataset, space: FeatureSpace) -> LabelledPoints:
    """All rows that can be read. The dataset is read twice where it has labels, so it must not be a stream then.

    Raises:
        SpaceError: the space is of another modality or schema, or its featuriser is not installed.
        DatasetError: the dataset cannot be read, or its labels are no classes.
    """
    points = project(dataset, space)
    numbers = np.flatnonzero(points.kept)
    if dataset.labels is None:
        return LabelledPoints(points.ticks, numbers, problem=points.problem)
    names = ClassNames()
    found = [names.encode(batch.column(0)) for batch in dataset.batches(columns=[dataset.labels])]
    classes = np.concatenate(found)[points.kept]
    return LabelledPoints(points.ticks, numbers, classes, tuple(names.names), points.problem)

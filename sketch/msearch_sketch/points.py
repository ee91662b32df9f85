"""The rows of a dataset as points of a feature space, one by one: what a signature sums up."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from msearch_sketch.datasets import Dataset
from msearch_sketch.errors import SpaceError
from msearch_sketch.featurisers import get_featuriser
from msearch_sketch.spaces import FeatureSpace


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """`ticks` [m, d] int16 of the m rows that could be read; `kept` [n] says which of all n rows these are, in order.

    `problem` is why the first other row could not be read, or "".
    """

    ticks: NDArray[np.int16]
    kept: NDArray[np.bool_]
    problem: str


def project(dataset: Dataset, space: FeatureSpace) -> Points:
    """The points of every row.

    Raises:
        SpaceError: the space is of another modality or schema, or its featuriser is not installed.
        DatasetError: the dataset cannot be read.
    """
    if space.modality != dataset.modality:
        raise SpaceError(f"{dataset.name} holds {dataset.modality} data, the space is for {space.modality} data")
    featuriser = get_featuriser(space.featuriser)
    with threadpool_limits(1, user_api="blas"):
        found = [featuriser.transform(batch, dataset.columns, space) for batch in dataset.batches()]
    return Points(
        ticks=np.concatenate([features.ticks for features in found]).astype(np.int16, copy=False),
        kept=np.concatenate([features.kept for features in found]),
        problem=next((features.problem for features in found if features.problem), ""),
    )

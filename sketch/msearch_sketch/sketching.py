"""From a dataset to its signature: the two calls that most users need."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from numpy.typing import ArrayLike
from threadpoolctl import threadpool_limits

from msearch_sketch.datasets import Dataset
from msearch_sketch.errors import DatasetError, SpaceError
from msearch_sketch.featurisers import default_featuriser, get_featuriser
from msearch_sketch.signature import Signature
from msearch_sketch.sketcher import Sketcher
from msearch_sketch.spaces import FeatureSpace
from msearch_sketch.supervision import Supervision

LEAST_ROWS = 5
"""A signature of fewer rows would come close to showing them."""

_SKIPPED_ROWS = 10
_SKIPPED_PERCENT = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class SketchResult:
    """A signature and how it came about.

    `rows` of the dataset are in the signature, `skipped` could not be read; `problem` is the first reason, or "".
    """

    signature: Signature
    space: FeatureSpace
    rows: int
    skipped: int
    problem: str


def default_space(dataset: Dataset) -> FeatureSpace:
    """The default featuriser's space for a dataset: data-independent where there is such a space, else fitted on it.

    A fitted space is tied to this dataset's schema. Register it once and use it for all datasets of that schema,
    because signatures of separately fitted spaces do not compare.

    Raises:
        SpaceError: the modality has no default featuriser, or the rows do not allow a fit.
        DatasetError: the dataset cannot be read.
    """
    featuriser = default_featuriser(dataset.modality)
    fixed = featuriser.fixed_space(dataset.columns)
    return fixed if fixed is not None else featuriser.fit_space(dataset.columns, dataset.batches())


def sketch(
    dataset: Dataset,
    space: FeatureSpace | None = None,
    *,
    labels: Any = None,
    probabilities: ArrayLike | None = None,
    classes: Sequence[str] | None = None,
    progress: Callable[[int], None] | None = None,
    limit: int | None = None,
) -> SketchResult:
    """Sketches a dataset: reads it once, in bounded memory.

    Args:
        dataset: the rows. Its label column, if it has one, gives the classes; data columns never include it.
        space: the feature space, by default `default_space(dataset)`.
        labels: one label per row (a sequence or array; None where unknown), instead of the label column.
        probabilities: the model's softmax outputs, [n, K], one row per row of the dataset; needs labels. Column k is
            class k of `classes`; without `classes` it is label k if labels are integers, else the k-th label in
            alphabetical order.
        classes: names of the classes in the order of the model's outputs, by default those that occur.
        progress: called with the number of rows read so far.
        limit: read at most this many rows, from the start.

    Raises:
        DatasetError: the dataset is empty or unreadable, has fewer than 5 usable rows, more than 10 rows and 5 % of
            them cannot be read, or labels and probabilities do not fit the rows.
        SpaceError: the space is of another modality or schema, or its featuriser is not installed.
    """
    if limit is not None and limit < LEAST_ROWS:
        raise DatasetError(f"limit must be at least {LEAST_ROWS} rows, not {limit}")
    supervision = Supervision(dataset, labels, probabilities, classes)
    space = default_space(dataset) if space is None else space
    if space.modality != dataset.modality:
        raise SpaceError(f"{dataset.name} holds {dataset.modality} data, the space is for {space.modality} data")
    featuriser = get_featuriser(space.featuriser)
    sketcher = Sketcher(space)
    rows, problem = 0, ""
    # The matrices are small: a second thread costs more than it saves, and much more on a busy machine.
    with threadpool_limits(1, user_api="blas"):
        for batch in _first_rows(dataset.batches(), limit):
            features = featuriser.transform(batch, dataset.columns, space)
            ids = supervision.follow(batch)
            sketcher.add(features.ticks, None if ids is None else ids[features.kept])
            rows += batch.num_rows
            problem = problem or features.problem
            if progress is not None:
                progress(rows)
        _check_readable(dataset.name, rows, sketcher.rows, problem)
        if limit is None:
            supervision.check_lengths()
        signature = sketcher.signature(supervision.names, supervision.validation())
    return SketchResult(
        signature=signature,
        space=space,
        rows=sketcher.rows,
        skipped=rows - sketcher.rows,
        problem=problem,
    )


def _first_rows(batches: Iterable[pa.RecordBatch], limit: int | None) -> Iterator[pa.RecordBatch]:
    left = limit
    for batch in batches:
        if left is None:
            yield batch
            continue
        yield batch.slice(0, left)
        left -= min(left, batch.num_rows)
        if not left:
            return


def _check_readable(name: str, rows: int, readable: int, problem: str) -> None:
    if not rows:
        raise DatasetError(f"{name} has no rows")
    skipped = rows - readable
    if skipped > max(_SKIPPED_ROWS, rows * _SKIPPED_PERCENT / 100) or (skipped and readable < LEAST_ROWS):
        raise DatasetError(f"{skipped} of {rows} rows of {name} cannot be read; the first: {problem}")
    if readable < LEAST_ROWS:
        raise DatasetError(
            f"{name} has {readable} {'row' if readable == 1 else 'rows'}; at least {LEAST_ROWS} are needed, "
            "so that the signature does not reveal them"
        )

"""Labels and model outputs that accompany the rows of a dataset."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike, NDArray

from msearch_sketch.class_names import ClassNames
from msearch_sketch.datasets import Dataset
from msearch_sketch.errors import DatasetError
from msearch_sketch.signature import Validation
from msearch_sketch.validation import check_probabilities, validation_statistics


class Supervision:
    """Follows the batches of a dataset with the class of each row, and at the end rates the model's outputs.

    Args:
        dataset: whose rows they belong to.
        labels: one per row; None for those of the dataset's label column, if it has one.
        probabilities: softmax outputs, [n, K], or None.
        classes: names in the order of the outputs, or None.

    Raises:
        DatasetError: they do not fit each other.
    """

    def __init__(
        self, dataset: Dataset, labels: Any, probabilities: ArrayLike | None, classes: Sequence[str] | None
    ) -> None:
        self._name = dataset.name
        self._column = dataset.labels
        self._labels = None if labels is None else _to_arrow(labels)
        self._outputs = None if probabilities is None else check_probabilities(probabilities)
        self._ids: list[NDArray[np.int32]] = []
        self._rows = 0
        if self._outputs is not None:
            if labels is None and self._column is None:
                raise DatasetError("probabilities need labels: pass them, or open the dataset with a label column")
            outputs = self._outputs.shape[1]
            kind = self._labels.type if self._labels is not None else dataset.schema.field(self._column).type
            if classes is None and pa.types.is_integer(kind):
                classes = [str(column) for column in range(outputs)]
            if classes is not None and len(classes) != outputs:
                raise DatasetError(f"the probabilities have {outputs} columns for {len(classes)} classes")
        self._told = classes is not None
        self._names = ClassNames(classes)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the classes seen or told so far, by index."""
        return tuple(self._names.names)

    def follow(self, batch: pa.RecordBatch) -> NDArray[np.int32] | None:
        """Class indices of the next rows, -1 where unknown; None where the dataset is unlabelled. [n]"""
        start, self._rows = self._rows, self._rows + batch.num_rows
        if self._labels is not None:
            if len(self._labels) < self._rows:
                raise DatasetError(f"{self._name} has more rows than the {len(self._labels)} labels")
            ids = self._names.encode(self._labels.slice(start, batch.num_rows))
        elif self._column is not None:
            ids = self._names.encode(batch.column(self._column))
        else:
            return None
        if self._outputs is not None:
            self._ids.append(ids)
        return ids

    def check_lengths(self) -> None:
        """Checks, after the last row, that no label and no output is left over.

        Raises:
            DatasetError: there are more labels or outputs than rows.
        """
        for what, values in (("labels", self._labels), ("rows of probabilities", self._outputs)):
            if values is not None and len(values) != self._rows:
                raise DatasetError(f"{self._name} has {self._rows} rows, but there are {len(values)} {what}")

    def validation(self) -> Validation | None:
        """Statistics of the outputs on the labelled rows, readable or not; None without outputs.

        Raises:
            DatasetError: no row has a label, or the classes do not fit the outputs.
        """
        if self._outputs is None:
            return None
        if len(self._outputs) < self._rows:
            raise DatasetError(f"{self._name} has more rows than the {len(self._outputs)} rows of probabilities")
        columns = np.arange(len(self.names))
        if not self._told:
            if len(self.names) != self._outputs.shape[1]:
                raise DatasetError(
                    f"the labels name {len(self.names)} classes, the probabilities have {self._outputs.shape[1]} "
                    f"columns; pass the names of all classes in the order of the columns"
                )
            columns[sorted(columns, key=lambda index: self.names[index])] = np.arange(len(columns))
        ids = np.concatenate(self._ids)
        labelled = np.flatnonzero(ids >= 0)
        return validation_statistics(self._outputs[labelled], columns[ids[labelled]])


def _to_arrow(labels: Any) -> pa.Array:
    try:
        array = pa.array(labels)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise DatasetError(f"the labels cannot be read: {error}") from None
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array

"""What a model's outputs on labelled rows say of it: the statistics that are stored at registration."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from msearch_accuracy.label_matching import UNKNOWN, match_labels
from msearch_running.errors import WrongRows
from msearch_running.outputs import Outputs
from msearch_sketch import Validation, validation_statistics


@dataclass(frozen=True, slots=True, kw_only=True)
class Validated:
    """`statistics` on the labelled rows that the model took.

    `class_prior`: share of each class among their labels, in the order of the outputs' classes. `notices`: what does
    not count, or counts as wrong, and why.
    """

    statistics: Validation
    class_prior: tuple[float, ...]
    notices: tuple[str, ...]


def validate(outputs: Outputs, labels: Sequence[object]) -> Validated:
    """Accuracy, temperature, ATC threshold, confidence histogram and class prior; see `validation_statistics`.

    Rows of classes that the model does not know count as wrong in the accuracy, and for nothing else.

    Args:
        outputs: of the model on n labelled rows.
        labels: n class names; None where a row has none.

    Raises:
        WrongRows: no label is a class of the model, or there are not as many as rows.
    """
    if len(labels) != len(outputs.probabilities):
        raise WrongRows(f"{len(outputs.probabilities)} rows of outputs need as many labels, not {len(labels)}")
    names = [None if label is None else str(label) for label in labels]
    distinct = sorted({name for name in names if name is not None})
    places = dict(zip(distinct, match_labels(distinct, outputs.classes).tolist(), strict=True))
    known = np.array([UNKNOWN if name is None else places[name] for name in names], np.int64)
    if (known == UNKNOWN).all():
        raise WrongRows(
            f"no label is a class of the model: the labels are {', '.join(distinct[:5]) or 'missing'}, its classes "
            f"{', '.join(outputs.classes[:5])}; classes are matched by name"
        )
    labelled = np.array([name is not None for name in names]) & outputs.kept
    used = labelled & (known != UNKNOWN)
    if not used.any():
        raise WrongRows(f"the model took none of the rows that are labelled: {outputs.problem}")
    statistics = validation_statistics(outputs.probabilities[used], known[used])
    count = int(np.count_nonzero(labelled))
    right = int(np.count_nonzero(outputs.votes[used] == known[used]))
    counts = np.bincount(known[used], minlength=len(outputs.classes))
    return Validated(
        statistics=replace(statistics, accuracy=right / count, count=count),
        class_prior=tuple((counts / counts.sum()).tolist()),
        notices=tuple(_notices(outputs, count - int(np.count_nonzero(used)), names.count(None))),
    )


def _notices(outputs: Outputs, unknown: int, unlabelled: int) -> Iterator[str]:
    if unknown:
        yield f"rows of a class that the model does not know, which count as wrong: {unknown:,}"
    if unlabelled:
        yield f"rows without a label, which do not count: {unlabelled:,}"
    if outputs.skipped:
        yield f"rows that could not be read, which do not count: {outputs.skipped:,} ({outputs.problem})"

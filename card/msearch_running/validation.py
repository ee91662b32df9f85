"""What a model's outputs on labelled rows say of it: the statistics that are stored at registration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from msearch_running.errors import WrongRows
from msearch_running.outputs import Outputs
from msearch_sketch import Validation, validation_statistics


@dataclass(frozen=True, slots=True, kw_only=True)
class Validated:
    """`statistics` over the rows that the model took and whose label it knows.

    `class_prior`: share of each class among their labels, in the order of the outputs' classes. `notices`: rows that
    were left out, and why.
    """

    statistics: Validation
    class_prior: tuple[float, ...]
    notices: tuple[str, ...]


def validate(outputs: Outputs, labels: Sequence[object]) -> Validated:
    """Accuracy, temperature, ATC threshold, confidence histogram and class prior; see `validation_statistics`.

    Args:
        outputs: of the model on n labelled rows.
        labels: n class names; None where a row has none.

    Raises:
        WrongRows: no label is a class of the model, or there are not as many as rows.
    """
    if len(labels) != len(outputs.probabilities):
        raise WrongRows(f"{len(outputs.probabilities)} rows of outputs need as many labels, not {len(labels)}")
    places = {name: place for place, name in enumerate(outputs.classes)}
    known = np.array([-1 if label is None else places.get(str(label), -1) for label in labels], np.int64)
    if (known < 0).all():
        found = ", ".join(sorted({str(label) for label in labels if label is not None})[:5]) or "none at all"
        raise WrongRows(
            f"no label is a class of the model: the labels are {found}, its classes "
            f"{', '.join(outputs.classes[:5])}; classes are matched by name"
        )
    used = outputs.kept & (known >= 0)
    if not used.any():
        raise WrongRows(f"the model took none of the labelled rows: {outputs.problem}")
    statistics = validation_statistics(outputs.probabilities[used], known[used])
    counts = np.bincount(known[used], minlength=len(outputs.classes))
    notices = []
    if unknown := int(np.count_nonzero(known < 0)):
        notices.append(f"{unknown:,} rows have no label, or one that is no class of the model, and do not count")
    if outputs.skipped:
        notices.append(f"{outputs.skipped:,} rows could not be read and do not count: {outputs.problem}")
    return Validated(
        statistics=statistics,
        class_prior=tuple((counts / counts.sum()).tolist()),
        notices=tuple(notices),
    )

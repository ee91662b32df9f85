"""Which of a model's classes a label means: by name, and whole numbers also by position."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

UNKNOWN = -1


def match_labels(labels: Sequence[str], classes: Sequence[str]) -> NDArray[np.int64]:
    """For each label the position of the class it names, or UNKNOWN. [len(labels)]

    Labels that are all whole numbers, of which no class has the name, are positions in `classes`, as data sets often
    have them ("0", "1" for the classes "negative", "positive").
    """
    places = {name: place for place, name in enumerate(classes)}
    found = [places.get(label, UNKNOWN) for label in labels]
    if all(place == UNKNOWN for place in found) and labels and all(_is_position(label) for label in labels):
        found = [int(label) if int(label) < len(classes) else UNKNOWN for label in labels]
        if UNKNOWN in found:  # more labels than classes: they mean something else
            found = [UNKNOWN] * len(labels)
    return np.array(found, np.int64).reshape(len(labels))


def names_of(labels: Sequence[str], classes: Sequence[str]) -> tuple[str, ...]:
    """The labels under the names that the classes have for them; a label that none knows keeps its own."""
    matched = match_labels(labels, classes).tolist()
    return tuple(label if place == UNKNOWN else classes[place] for label, place in zip(labels, matched, strict=True))


def describe_disjoint(labels: Sequence[str], classes: Sequence[str]) -> str:
    """Says that they share nothing, naming both."""
    return f"the label spaces have no class in common: {_some(labels)} and {_some(classes)}; classes match by name"


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return (", ".join(names[:5]) or "none") + more


def _is_position(label: str) -> bool:
    return label.isascii() and label.isdecimal() and len(label) <= 9

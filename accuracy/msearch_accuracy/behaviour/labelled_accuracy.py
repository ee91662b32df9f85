"""Accuracy on labelled rows of the target, with a Wilson interval at 95 %.

centre = (p + z^2/2n) / (1 + z^2/n),  half = z sqrt(p(1-p)/n + z^2/4n^2) / (1 + z^2/n),  z = 1.96
"""

from __future__ import annotations

from math import sqrt

import numpy as np

from msearch_accuracy.behaviour._definition import (
    Behaviour,
    BehaviourInfo,
    BehaviourScore,
    BehaviourValue,
)

INFO = BehaviourInfo(
    name="labelled_accuracy",
    summary="Share of labelled rows that it gets right.",
    formula="1/m sum_i 1[v_i = y_i]",
    source="Wilson 1927",
    lowest=0.0,
    highest=1.0,
    needs=("labels",),
    estimates_accuracy=True,
)


_Z = 1.959963984540054


def wilson_interval(hits: int, count: int, z: float = _Z) -> tuple[float, float]:
    """The interval of a share from `hits` of `count`; (0, 1) of none."""
    if count <= 0:
        return 0.0, 1.0
    share, square = hits / count, z * z
    centre = (share + square / (2 * count)) / (1 + square / count)
    half = z * sqrt(share * (1 - share) / count + square / (4 * count * count)) / (1 + square / count)
    # Exact at the ends, where rounding would leave a hair.
    return (0.0 if hits == 0 else max(0.0, centre - half)), (1.0 if hits == count else min(1.0, centre + half))


def _compute(behaviour: Behaviour) -> float | BehaviourValue:
    labels = behaviour.labels
    if labels is None or not len(labels):
        return BehaviourValue(float("nan"), "no row is labelled")
    votes = np.asarray(behaviour.probabilities).argmax(axis=1)
    if behaviour.labelled_rows is not None:
        votes = votes[behaviour.labelled_rows]
    if len(votes) != len(labels):
        return BehaviourValue(float("nan"), f"there are {len(labels)} labels for {len(votes)} rows")
    hits = int(np.count_nonzero(votes == labels))
    low, high = wilson_interval(hits, len(labels))
    return BehaviourValue(hits / len(labels), "", low, high)


SCORE = BehaviourScore(INFO, _compute)

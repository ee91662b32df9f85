"""Puts the evidence of several candidates into one label space and one set of arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from msearch_accuracy.calibration import scale_by_temperature
from msearch_accuracy.errors import AccuracyError, LabelSpaceError
from msearch_accuracy.evidence import CandidateEvidence, Coreset, TargetEvidence, pairwise_distances
from msearch_sketch.spaces import TICKS_PER_UNIT

_NEIGHBOURS = 5
_CONSTANT = 1e-6


@dataclass(slots=True, eq=False)
class Problem:
    """C candidates on n rows, K classes in all.

    `probabilities` [C, n, K] are calibrated, or of each source's own neighbours where candidates were not run.
    `distances` [C, n]: to the nearest centroid of each candidate's source, NaN without a source. `class_distances`
    [C, n, K]: to its nearest centroid of each class, infinite where it has none. `own_share` [C, n]: the share of the
    source's nearest centroids whose class is the candidate's vote. `spacings` [C]. `source_priors` [C, K]: class shares
    of the source, zero where it is not labelled.
    """

    names: tuple[str, ...]
    classes: tuple[str, ...]
    rows: NDArray[np.float32]
    weights: NDArray[np.float64]
    probabilities: NDArray[np.float32]
    votes: NDArray[np.int64]
    known: NDArray[np.bool_]
    accuracies: NDArray[np.float64]
    sources: tuple[Coreset | None, ...]
    distances: NDArray[np.float32]
    class_distances: NDArray[np.float32]
    own_share: NDArray[np.float32]
    spacings: NDArray[np.float32]
    source_priors: NDArray[np.float64]
    refused: dict[str, str] = field(default_factory=dict)
    notices: dict[str, list[str]] = field(default_factory=dict)


def pose(candidates: Sequence[CandidateEvidence], target: TargetEvidence, *, run: bool) -> Problem:
    """Aligns candidates by class name; `run` says whether their outputs or their sources speak.

    Candidates that cannot be judged are listed in `refused` with the reason, and do not fail the rest.

    Raises:
        AccuracyError: no candidate is left.
    """
    notices: dict[str, list[str]] = {candidate.name: [] for candidate in candidates}
    refused = {c.name: reason for c in candidates if (reason := _find_fault(c, len(target.ticks), run))}
    usable = [candidate for candidate in candidates if candidate.name not in refused]
    refused |= _disjoint(usable)
    usable = [candidate for candidate in usable if candidate.name not in refused]
    if not usable:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in list(refused.items())[:3])
        raise AccuracyError(f"no candidate can be judged ({reasons or 'none was given'})")
    classes = tuple(sorted({name for candidate in usable for name in candidate.classes}))
    places = {name: place for place, name in enumerate(classes)}
    rows = (np.asarray(target.ticks, np.float32) / np.float32(TICKS_PER_UNIT)).astype(np.float32)
    weights = np.ones(len(rows)) if target.weights is None else np.asarray(target.weights, np.float64)
    shape = (len(usable), len(rows))
    values = np.zeros((*shape, len(classes)), np.float32)
    known = np.zeros((len(usable), len(classes)), bool)
    nearest, share = np.full(shape, np.nan, np.float32), np.zeros(shape, np.float32)
    by_class = np.full((*shape, len(classes)), np.inf, np.float32)
    priors = np.zeros((len(usable), len(classes)))
    for at, candidate in enumerate(usable):
        own = np.array([places[name] for name in candidate.classes])
        known[at, own] = True
        neighbours = None
        if candidate.source is not None:
            labels = _labels_in(candidate.source, places)
            told = labels >= 0
            priors[at] = np.bincount(labels[told], candidate.source.weights[told], len(classes))
            neighbours = _neighbours(candidate.source, labels, rows, by_class[at])
            nearest[at] = neighbours[0][:, 0]
        if run and candidate.probabilities is not None:
            scaled = scale_by_temperature(candidate.probabilities, candidate.temperature)
            values[at][:, own] = scaled
            if len(rows) > 1 and float(np.ptp(scaled, axis=0).max()) < _CONSTANT:
                notices[candidate.name].append("its outputs are the same for every row")
        elif neighbours is not None:
            values[at] = _stand_in(candidate.source, *neighbours, known[at])
        vote = values[at].argmax(axis=1)
        if neighbours is not None:
            share[at] = (neighbours[1] == vote[:, None]).mean(axis=1)
        if not known[at].all():
            notices[candidate.name].append(
                f"it knows {int(known[at].sum())} of the {len(classes)} classes that the candidates know together"
            )
        if candidate.source is None:
            notices[candidate.name].append("it has no source, so only its outputs speak")
    stated = np.array([np.nan if c.accuracy is None else c.accuracy for c in usable], np.float64)
    middle = float(np.nanmedian(stated)) if np.isfinite(stated).any() else 0.8
    return Problem(
        names=tuple(candidate.name for candidate in usable),
        classes=classes,
        rows=rows,
        weights=weights / weights.mean(),
        probabilities=values,
        votes=values.argmax(axis=2),
        known=known,
        accuracies=np.where(np.isfinite(stated), stated, middle),
        sources=tuple(candidate.source for candidate in usable),
        distances=nearest,
        class_distances=by_class,
        own_share=share,
        spacings=np.array([np.nan if c.source is None else c.source.spacing for c in usable], np.float32),
        source_priors=priors / np.maximum(priors.sum(axis=1, keepdims=True), 1e-9),
        refused=refused,
        notices=notices,
    )


def check_label_spaces(classes: Sequence[str], others: Sequence[str]) -> float:
    """Share of `classes` that `others` hold too.

    Raises:
        LabelSpaceError: they have no class in common.
    """
    common = set(classes) & set(others)
    if not common:
        raise LabelSpaceError(
            f"the label spaces have no class in common: {', '.join(sorted(classes)[:5])} and "
            f"{', '.join(sorted(others)[:5])}; classes are matched by name"
        )
    return len(common) / len(set(classes))


def _find_fault(candidate: CandidateEvidence, count: int, run: bool) -> str | None:
    if not candidate.classes:
        return "its classes are not known"
    if len(set(candidate.classes)) != len(candidate.classes):
        return "its classes are not distinct"
    if run and candidate.probabilities is not None:
        outputs = np.asarray(candidate.probabilities)
        if outputs.shape != (count, len(candidate.classes)):
            return f"its outputs have shape {list(outputs.shape)}, not [{count}, {len(candidate.classes)}]"
        bad = int(np.count_nonzero(~np.isfinite(outputs).all(axis=1)))
        if bad:
            return f"its outputs hold NaN or infinity in {bad} of {count} rows"
        if (outputs < 0).any():
            return "its outputs are negative, so they are no probabilities"
        return None
    if run:
        return "it was not run"
    if candidate.source is None:
        return "it has no source with centroids, so nothing is known of it without running it"
    return None


def _disjoint(candidates: Sequence[CandidateEvidence]) -> dict[str, str]:
    """Candidates outside the largest set that shared class names connect, with the reason."""
    groups: list[tuple[set[str], list[str]]] = []
    for candidate in candidates:
        classes, members = set(candidate.classes), [candidate.name]
        apart = []
        for group in groups:
            if group[0] & classes:
                classes |= group[0]
                members = group[1] + members
            else:
                apart.append(group)
        groups = [*apart, (classes, members)]
    if len(groups) < 2:
        return {}
    largest = max(groups, key=lambda group: len(group[1]))
    reason = "it shares no class name with the other candidates, " + ", ".join(sorted(largest[0])[:5])
    return {name: reason for group in groups if group is not largest for name in group[1]}


def _labels_in(source: Coreset, places: dict[str, int]) -> NDArray[np.int64]:
    """The class of each centroid as its place, -1: none of them. [m]"""
    to_union = np.array([places.get(name, -1) for name in source.classes] + [-1], np.int64)
    return to_union[source.labels]


def _neighbours(
    source: Coreset, labels: NDArray[np.int64], rows: NDArray[np.float32], by_class: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Distances and classes (-1: none) of the source's nearest centroids, the nearest first. [n, at most 5] each

    Writes the distance to the nearest one of each class into `by_class` [n, K].
    """
    distances = pairwise_distances(rows, source.points)
    for label in np.unique(labels[labels >= 0]):
        by_class[:, label] = distances[:, labels == label].min(axis=1)
    count = min(_NEIGHBOURS, distances.shape[1])
    near = np.argpartition(distances, count - 1, axis=1)[:, :count]
    found = np.take_along_axis(distances, near, axis=1)
    order = found.argsort(axis=1, kind="stable")
    return np.take_along_axis(found, order, axis=1), labels[np.take_along_axis(near, order, axis=1)]


def _stand_in(
    source: Coreset | None, distances: NDArray[np.float32], labels: NDArray[np.int64], known: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """What the source's own nearest centroids say of each row, in the place of its model. [n, K]"""
    weights = np.exp(-(distances - distances[:, :1]) / np.float32(source.spacing if source else 1.0))
    values = np.zeros((len(distances), len(known)), np.float32)
    rows = np.arange(len(distances))
    for place in range(distances.shape[1]):
        told = labels[:, place] >= 0
        np.add.at(values, (rows[told], labels[told, place]), weights[told, place])
    values = (values + 1e-2) * known
    result: NDArray[np.float32] = values / values.sum(axis=1, keepdims=True)
    return result

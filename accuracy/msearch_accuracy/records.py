"""Records: how known models did on labelled samples, and what that says of them on a target's rows.

A record keeps no row: centroids of the sample with their classes, and each model's confusion matrix on it. A row of a
target is taken to come from a cell (record j, class k), and the cells are weighed by expectation maximisation:

    P(j, k | row) ~ pi_jk exp(-c (d_jk / d - 1)) prod_i P(candidate i votes v_i | j, k)^trust

d_jk: distance to the nearest centroid of the cell, d: to the nearest of all; pi re-estimated from the posterior. Summed
over records it is a class posterior; that is Dawid-Skene with the confusions known (Dawid & Skene 1979) and the shares
of classes and samples unknown, as in the correction for shifted priors of Saerens et al. (2002).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msearch_accuracy.errors import AccuracyError
from msearch_accuracy.evidence import pairwise_distances
from msearch_accuracy.problem import Problem
from msearch_sketch.coreset import build_coreset
from msearch_sketch.spaces import TICKS_PER_UNIT, CoresetRule

_RULE = CoresetRule(centroids=64)
_MOST_RECORDS = 24
_MOST_COUNTS = 4_000_000
"""Numbers in the confusion matrices of all candidates and records that are held at once."""
_SHARPNESS = 16.0
_INDEPENDENT = 4
_SMOOTHING = 4.0
_ITERATIONS = 30
_SETTLED = 1e-4


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """What models did on one labelled sample of `group`.

    `centroids` [m, d] in ticks, `labels` [m]: index into `classes`; `confusions` by model, [K, K] rows of the class k
    (first axis) that were given the class v (second axis).
    """

    group: str
    classes: tuple[str, ...]
    centroids: NDArray[np.int16]
    labels: NDArray[np.int16]
    confusions: Mapping[str, NDArray[np.float32]]


def make_record(
    group: str, classes: tuple[str, ...], ticks: NDArray[Any], labels: NDArray[np.int64], votes: Mapping[str, Any]
) -> Record:
    """The record of a sample: rows [n, d] in ticks, labels [n] and votes [n] by model as indices into `classes`."""
    coreset = build_coreset(
        np.asarray(ticks, np.int16), labels.astype(np.int32), np.ones(len(labels), np.int64), len(labels), _RULE
    )
    count = len(classes)
    confusions = {
        name: np.bincount(labels * count + vote, minlength=count * count).reshape(count, count).astype(np.float32)
        for name, vote in votes.items()
    }
    return Record(group, classes, coreset.centroids, coreset.classes, confusions)


def describe_record(record: Record) -> dict[str, Any]:
    """What a file's metadata keeps of a record, JSON values."""
    return {"group": record.group, "classes": list(record.classes), "models": list(record.confusions)}


def record_arrays(record: Record, prefix: str) -> dict[str, NDArray[Any]]:
    """What a file keeps beside it."""
    count = len(record.classes)
    stacked = np.array(list(record.confusions.values()), np.float32).reshape(-1, count, count)
    return {
        f"{prefix}centroids": record.centroids,
        f"{prefix}labels": record.labels,
        f"{prefix}confusions": stacked.astype(np.uint32),
    }


def read_record(told: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], prefix: str) -> Record:
    """Checks and takes what a file kept.

    Raises:
        AccuracyError: the arrays are no record.
    """
    classes, models = [str(name) for name in told["classes"]], [str(name) for name in told["models"]]
    centroids, labels = arrays[f"{prefix}centroids"], arrays[f"{prefix}labels"]
    confusions = arrays[f"{prefix}confusions"]
    sound = (
        centroids.ndim == 2
        and centroids.dtype == np.int16
        and labels.shape == centroids.shape[:1]
        and labels.dtype.kind == "i"
        and (not len(labels) or (labels.min() >= 0 and labels.max() < len(classes)))
        and confusions.dtype.kind == "u"
        and confusions.shape == (len(models), len(classes), len(classes))
    )
    if not sound:
        raise AccuracyError("the predictor's records are corrupt")
    counts = dict(zip(models, confusions.astype(np.float32), strict=True))
    return Record(str(told["group"]), tuple(classes), centroids, labels, counts)


@dataclass(slots=True, eq=False)
class Repute:
    """What records say of C candidates on n rows; `posterior` [n, K], the others [C, n] but `overall` [C].

    `expected`: chance to be right, by the cells a row may come from; `near`: accuracy on the records it may come from;
    `precision`: the same for its vote; `overall`: mean accuracy over records, less what is usual there.
    """

    posterior: NDArray[np.float64]
    expected: NDArray[np.float64]
    near: NDArray[np.float64]
    precision: NDArray[np.float64]
    overall: NDArray[np.float64]
    known: NDArray[np.bool_]


def consult(problem: Problem, records: Sequence[Record], *, run: bool) -> Repute | None:
    """What the records say of a problem's candidates, or None where they know none of them.

    Of many records, or where there are many candidates and classes, those nearest to the target are asked.
    """
    places = {name: at for at, name in enumerate(problem.classes)}
    usable = [
        record
        for record in records
        if record.centroids.shape[1:] == problem.rows.shape[1:]
        and len(record.centroids)
        and set(record.classes) & set(places)
        and any(name in record.confusions for name in problem.names)
    ]
    most = min(_MOST_RECORDS, _MOST_COUNTS // (len(problem.names) * len(places) ** 2))
    if not usable or not most:
        return None
    distances = _cell_distances(problem, usable, places)
    if len(usable) > most:
        near = np.argsort(distances.min(axis=2).mean(axis=0), kind="stable")[:most]
        usable, distances = [usable[at] for at in near], distances[:, near]
    counts = _counts(problem, usable, places)  # [C, J, K, K]
    present = counts.sum(axis=(2, 3)) > 0
    if not present.any() or not np.isfinite(distances).any():
        return None
    told = _likelihoods(counts)
    classes = len(problem.classes)
    smallest = np.maximum(distances.min(axis=(1, 2), keepdims=True), 1e-6)
    with np.errstate(invalid="ignore"):
        logs = -_SHARPNESS * (distances / smallest - 1)
    if run:
        voters = np.flatnonzero(present.any(axis=1))
        trust = min(1.0, _INDEPENDENT / len(voters))
        hot = np.zeros((len(problem.rows), len(voters), classes))
        hot[np.arange(len(problem.rows))[:, None], np.arange(len(voters))[None], problem.votes[voters].T] = 1
        # [C, J, k, v] -> [C v, J k]
        table = np.log(told[voters]).transpose(0, 3, 1, 2).reshape(len(voters) * classes, -1)
        logs = logs + trust * (hot.reshape(len(hot), -1) @ table).reshape(logs.shape)
    cells = _mix(logs.reshape(len(logs), -1), problem.weights).reshape(logs.shape)
    by_record, posterior = cells.sum(axis=2), cells.sum(axis=1)
    accuracy, recall, precision = _rates(counts)
    expected = np.einsum("njk,cjk->cn", cells, recall)
    near = np.einsum("nj,cj->cn", by_record, accuracy)
    precise = np.stack([(by_record * precision[c][:, problem.votes[c]].T).sum(axis=1) for c in range(len(counts))])
    usual = np.nanmean(np.where(present, accuracy, np.nan), axis=0)
    with np.errstate(invalid="ignore"):
        overall = np.where(present, accuracy - usual, 0).sum(axis=1) / np.maximum(present.sum(axis=1), 1)
    return Repute(posterior, expected, near, precise, overall, present.any(axis=1))


def _cell_distances(problem: Problem, records: Sequence[Record], places: Mapping[str, int]) -> NDArray[np.float64]:
    """To the nearest centroid of each cell, infinite where it has none. [n, J, K]"""
    distances = np.full((len(problem.rows), len(records), len(places)), np.inf)
    for at, record in enumerate(records):
        found = pairwise_distances(problem.rows, record.centroids.astype(np.float32) / np.float32(TICKS_PER_UNIT))
        for label, name in enumerate(record.classes):
            own = record.labels == label
            if name in places and own.any():
                distances[:, at, places[name]] = found[:, own].min(axis=1)
    return distances


def _counts(problem: Problem, records: Sequence[Record], places: Mapping[str, int]) -> NDArray[np.float64]:
    classes = len(places)
    counts = np.zeros((len(problem.names), len(records), classes, classes))
    for at, record in enumerate(records):
        own = [label for label, name in enumerate(record.classes) if name in places]
        to = np.array([places[record.classes[label]] for label in own])
        for candidate, name in enumerate(problem.names):
            if name in record.confusions:
                counts[candidate, at][np.ix_(to, to)] = record.confusions[name][np.ix_(own, own)]
    return counts


def _likelihoods(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """P(vote | record, class), drawn to that over all records. [C, J, K, K]"""
    classes = counts.shape[-1]
    pooled = counts.sum(axis=1) + 0.5 * np.eye(classes) + 0.1
    pooled /= pooled.sum(axis=2, keepdims=True)
    likelihoods: NDArray[np.float64] = (counts + _SMOOTHING * pooled[:, None]) / (
        counts.sum(axis=3, keepdims=True) + _SMOOTHING
    )
    return likelihoods


def _rates(counts: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Accuracy [C, J], recall by true class and precision by vote [C, J, K], each drawn to the coarser one."""
    hits = np.diagonal(counts, axis1=2, axis2=3)
    total = counts.sum(axis=(2, 3))
    everywhere = (hits.sum(axis=(1, 2)) + 1) / (total.sum(axis=1) + 2)
    accuracy = (hits.sum(axis=2) + _SMOOTHING * everywhere[:, None]) / (total + _SMOOTHING)
    recall = (hits + _SMOOTHING * accuracy[:, :, None]) / (counts.sum(axis=3) + _SMOOTHING)
    precision = (hits + _SMOOTHING * accuracy[:, :, None]) / (counts.sum(axis=2) + _SMOOTHING)
    return accuracy, recall, precision


def _mix(logs: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Posterior of the cells, their shares estimated with it. [n, cells]"""
    share = weights / weights.sum()
    likelihoods = np.exp(logs - logs.max(axis=1, keepdims=True))
    possible = np.isfinite(logs).any(axis=0)
    prior = possible / possible.sum()
    posterior: NDArray[np.float64] = likelihoods
    for _ in range(_ITERATIONS):
        posterior = likelihoods * prior
        posterior /= posterior.sum(axis=1, keepdims=True)
        renewed = 0.9 * (share @ posterior) + 0.1 * possible / possible.sum()
        change = float(np.abs(renewed - prior).max())
        prior = renewed
        if change < _SETTLED:
            break
    return posterior

"""Stacking: the class of a row from all models' outputs together, learned on labelled samples of which no row is kept.

Ridge regression of one-hot classes on outputs needs only sums of products over rows. They are kept for all models, so
that at a target those of its candidates are taken out and solved for (stacked generalisation, Wolpert 1992; linear as
in Breiman 1996).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msearch_accuracy.calibration import scale_by_temperature
from msearch_accuracy.cross_evaluations import LabelledTable, Workload
from msearch_accuracy.errors import AccuracyError
from msearch_accuracy.problem import Problem

_STRENGTH = 0.01
_SHARPNESS = 5.0
_MOST_COLUMNS = 1_000
_MOST_HEARD = 40


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """Sums over labelled rows, each sample counting the same.

    `models` and `model_classes` say what the D columns are: outputs of each model less 1 / their number, in the order
    of its classes, and last the constant 1. `gram` [D, D] sums products of columns, `moment` [D, K] those with the
    one-hot `classes`.
    """

    models: tuple[str, ...]
    model_classes: tuple[tuple[str, ...], ...]
    classes: tuple[str, ...]
    gram: NDArray[np.float32]
    moment: NDArray[np.float32]


def moments_of(workload: Workload, tables: Sequence[LabelledTable] | None = None) -> list[Moments]:
    """The moments of a workload's tables, or of others of its models; empty where they would be too large."""
    told = workload.tables if tables is None else tables
    models = {model.name: model.classes for model in workload.models}
    if sum(map(len, models.values())) > _MOST_COLUMNS:
        return []
    labels = {str(label) for table in workload.tables for label in table.labels}
    classes = tuple(sorted(labels.union(*models.values())))
    return add_moments([_moments(table, workload, models, classes) for table in told if len(table.labels)])


def add_moments(parts: Sequence[Moments]) -> list[Moments]:
    """Of several samples together, one; of none, none."""
    if not parts:
        return []
    gram, moment = np.sum([part.gram for part in parts], axis=0), np.sum([part.moment for part in parts], axis=0)
    return [replace(parts[0], gram=gram, moment=moment)]


def _moments(
    table: LabelledTable, workload: Workload, models: Mapping[str, tuple[str, ...]], classes: tuple[str, ...]
) -> Moments:
    outputs = [
        scale_by_temperature(table.probabilities[model.name], model.temperature)
        if model.name in table.probabilities
        else None
        for model in workload.models
    ]
    count = len(table.labels)
    columns = _columns_of(outputs, [len(own) for own in models.values()], count) / np.float32(np.sqrt(count))
    hot = (np.asarray(table.labels, str)[:, None] == np.array(classes)[None]).astype(np.float32)
    return Moments(
        tuple(models),
        tuple(models.values()),
        classes,
        columns.T @ columns,
        columns.T @ (hot / np.float32(np.sqrt(count))),
    )


def _columns_of(outputs: Sequence[NDArray[Any] | None], sizes: Sequence[int], count: int) -> NDArray[np.float32]:
    """Columns [n, D] of calibrated outputs [n, size] by model; zero, which says nothing, where a model was not run."""
    parts = [
        np.zeros((count, size), np.float32) if told is None else np.asarray(told, np.float32) - np.float32(1 / size)
        for told, size in zip(outputs, sizes, strict=True)
    ]
    return np.concatenate([*parts, np.ones((count, 1), np.float32)], axis=1)


def describe_moments(moments: Moments) -> dict[str, Any]:
    """What a file's metadata keeps, JSON values."""
    return {
        "models": list(moments.models),
        "model_classes": [list(own) for own in moments.model_classes],
        "classes": list(moments.classes),
    }


def read_moments(told: Mapping[str, Any], gram: NDArray[Any], moment: NDArray[Any]) -> Moments:
    """Checks and takes what a file kept.

    Raises:
        AccuracyError: the arrays are no moments of these models.
    """
    models, classes = tuple(str(name) for name in told["models"]), tuple(str(name) for name in told["classes"])
    own = tuple(tuple(str(label) for label in labels) for labels in told["model_classes"])
    width = 1 + sum(map(len, own))
    sound = (
        len(own) == len(models)
        and gram.shape == (width, width)
        and moment.shape == (width, len(classes))
        and all(array.dtype == np.float32 and np.isfinite(array).all() for array in (gram, moment))
    )
    if not sound:
        raise AccuracyError("what the predictor keeps of models' outputs is corrupt")
    return Moments(models, own, classes, gram, moment)


def ask_stack(several: Sequence[Moments], problem: Problem) -> NDArray[np.float64] | None:
    """Posterior [n, K] over the problem's classes, or None where none of its candidates is known.

    Of several moments those speak that know the most candidates.
    """
    names = set(problem.names)
    moments = max(several, key=lambda one: len(names.intersection(one.models)), default=None)
    if moments is None:
        return None
    places = {name: place for place, name in enumerate(problem.classes)}
    starts = np.cumsum([0, *(len(classes) for classes in moments.model_classes)])
    at = {name: place for place, name in enumerate(moments.models)}
    columns: list[NDArray[np.int64]] = []
    told: list[NDArray[np.float32]] = []
    for candidate, name in enumerate(problem.names):
        place = at.get(name, -1)
        if place < 0 or any(label not in places for label in moments.model_classes[place]) or len(told) == _MOST_HEARD:
            continue
        own = moments.model_classes[place]
        columns.append(np.arange(starts[place], starts[place + 1]))
        told.append(problem.probabilities[candidate][:, [places[label] for label in own]])
    if not told:
        return None
    chosen = np.concatenate([*columns, [starts[-1]]])
    left = _columns_of(told, [part.shape[1] for part in told], len(problem.rows)).astype(np.float64)
    gram = moments.gram[np.ix_(chosen, chosen)].astype(np.float64)
    found = left @ np.linalg.solve(gram + _STRENGTH * np.eye(len(chosen)), moments.moment[chosen].astype(np.float64))
    scores = np.full((len(left), len(places)), -1.0)
    for label, name in enumerate(moments.classes):
        if name in places:
            scores[:, places[name]] = found[:, label]
    values = np.exp(_SHARPNESS * (scores - scores.max(axis=1, keepdims=True)))
    posterior: NDArray[np.float64] = values / values.sum(axis=1, keepdims=True)
    return posterior

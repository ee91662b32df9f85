"""Turns cross-evaluations into examples: features of rows where it is known whether a candidate was right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from msearch_accuracy.cross_evaluations import Workload
from msearch_accuracy.form_predictor import FORMS, Form
from msearch_accuracy.metrics import Metric
from msearch_accuracy.problem import pose
from msearch_accuracy.pseudo_targets import PseudoTarget, draw_pseudo_targets
from msearch_accuracy.row_features import FEATURES, row_features
from msearch_accuracy.witnesses import hear

_FEWEST_CANDIDATES = 3
_FEWEST_ROWS = 25


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """A pseudo-target and what candidates reach on it.

    `features` [C, n, F], `votes` [C, n] as indices into `classes`, `true` [C]: the metric on all its rows. `key` names
    a group of its rows; all of them are of one fold. `seen`: models and records of its groups were not left out.
    `rows` [n]: a number for each row, the same wherever the row comes again.
    """

    key: str
    seen: bool
    rows: NDArray[np.int64]
    features: NDArray[np.float32]
    votes: NDArray[np.int64]
    classes: tuple[str, ...]
    true: NDArray[np.float64]
    metric: Metric

    def expect(self, chances: NDArray[np.float32]) -> NDArray[np.float64]:
        """The metric of each candidate from P(right) [C, n]. [C]"""
        ones = np.ones(self.votes.shape[1])
        return np.array(
            [self.metric.expect(c, v, self.classes, ones) for c, v in zip(chances, self.votes, strict=True)]
        )


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """Rows [m, F] to learn from with their weights and keys, the pseudo-targets, and how much evidence is behind them.

    `rows` [m] are numbers as in `Known`.
    `pairs`: cross-evaluations of a model on a table of another group, however many pseudo-targets they yield.
    `independent`: the same, with rows that several tables share counted once.
    """

    features: NDArray[np.float32]
    right: NDArray[np.bool_]
    weights: NDArray[np.float64]
    keys: NDArray[Any]
    rows: NDArray[np.int64]
    known: tuple[Known, ...]
    pairs: int
    independent: float

    def without(self, columns: Sequence[int]) -> Examples:
        """The same with these features constant, so that no tree asks for them."""

        def blank(features: NDArray[np.float32]) -> NDArray[np.float32]:
            fewer = features.copy()
            fewer[..., list(columns)] = 0
            return fewer

        known = tuple(replace(one, features=blank(one.features)) for one in self.known)
        return replace(self, features=blank(self.features), known=known)


def deal(groups: Sequence[str], folds: int) -> dict[str, int]:
    """The fold of each group, dealt out in turn."""
    return {group: place % folds for place, group in enumerate(sorted(set(groups)))}


def gather(
    workload: Workload,
    seed: int,
    *,
    pseudo_targets: int,
    rows_a_pair: int,
    judged_rows: int,
    folds: int,
) -> dict[Form, Examples]:
    """Cross-evaluates a workload on its tables and on pseudo-targets made of them, for both forms.

    Args:
        workload: models and labelled tables.
        seed: of all draws.
        pseudo_targets: made of each table, beside the table itself.
        rows_a_pair: rows of each candidate and pseudo-target to learn from.
        judged_rows: rows of each pseudo-target over which predictions are averaged.
        folds: pseudo-targets mix tables of one fold only.
    """
    random = np.random.default_rng(seed)
    dealt = deal([table.group for table in workload.tables], folds)
    collected = {form: _Collected() for form in FORMS}
    for pseudo in draw_pseudo_targets(workload, dealt, random, pseudo_targets):
        if len(pseudo.candidates) < _FEWEST_CANDIDATES or len(pseudo.labels) < _FEWEST_ROWS:
            continue
        chosen = random.permutation(len(pseudo.labels))
        few, many = chosen[:rows_a_pair], np.sort(chosen[:judged_rows])
        for form in FORMS:
            judged = _judge(pseudo, workload.metric, form)
            if judged is not None:
                collected[form].add(*judged, few, many)
    pairs = sum(
        model.name in table.probabilities and model.group != table.group
        for model in workload.models
        for table in workload.tables
    )
    independent = pairs * _distinct_share(workload)
    return {form: found.examples(pairs, independent) for form, found in collected.items()}


def _distinct_share(workload: Workload) -> float:
    """Distinct rows of the tables over all their rows."""
    rows = [row.tobytes() for table in workload.tables for row in np.asarray(table.ticks)]
    return len(set(rows)) / max(len(rows), 1)


@dataclass(slots=True, eq=False)
class _Collected:
    """Parts of examples while they are gathered."""

    features: list[NDArray[np.float32]] = field(default_factory=list)
    right: list[NDArray[np.bool_]] = field(default_factory=list)
    weights: list[NDArray[np.float64]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    rows: list[NDArray[np.int64]] = field(default_factory=list)
    known: list[Known] = field(default_factory=list)

    def add(self, known: Known, hits: NDArray[np.bool_], few: NDArray[np.int64], many: NDArray[np.int64]) -> None:
        count = len(few) * len(known.true)
        self.features.append(known.features[:, few].reshape(count, -1))
        self.right.append(hits[:, few].ravel())
        self.weights.append(np.full(count, 1 / count))
        self.keys += [known.key] * count
        self.rows.append(np.tile(known.rows[few], len(known.true)))
        judged = replace(known, rows=known.rows[many], features=known.features[:, many], votes=known.votes[:, many])
        self.known.append(judged)

    def examples(self, pairs: int, independent: float) -> Examples:
        return Examples(
            np.concatenate([np.zeros((0, len(FEATURES)), np.float32), *self.features]),
            np.concatenate([np.zeros(0, bool), *self.right]),
            np.concatenate([np.zeros(0), *self.weights]),
            np.array(self.keys),
            np.concatenate([np.zeros(0, np.int64), *self.rows]),
            tuple(self.known),
            pairs if self.known else 0,
            independent if self.known else 0.0,
        )


def _judge(pseudo: PseudoTarget, metric: Metric, form: Form) -> tuple[Known, NDArray[np.bool_]] | None:
    """Features of all rows, and where each candidate is right [C, n]; None where no candidate can be judged."""
    run = form == "outputs"
    problem = posed = pose(pseudo.candidates, pseudo.target, run=True)
    if not run:
        # What is predicted are the models' own hits; what speaks are their sources.
        sourced = [c for c in pseudo.candidates if c.source is not None and c.name in problem.names]
        if not sourced:
            return None
        posed = pose(sourced, pseudo.target, run=False)
    values = row_features(posed, hear(posed, records=pseudo.records, moments=pseudo.moments, run=run))
    votes = problem.votes[[problem.names.index(name) for name in posed.names]]
    places = {name: place for place, name in enumerate(problem.classes)}
    hits = votes == np.array([places.get(label, -1) for label in pseudo.labels])[None]
    ones = np.ones(len(pseudo.labels))
    true = np.array(
        [metric.expect(h.astype(float), v, problem.classes, ones) for h, v in zip(hits, votes, strict=True)]
    )
    numbers = np.array([crc32(row.tobytes()) for row in np.asarray(pseudo.target.ticks)], np.int64)
    return Known(min(pseudo.groups), pseudo.known, numbers, values, votes, problem.classes, true, metric), hits

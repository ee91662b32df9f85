"""Pseudo-targets: what a registry's labelled samples can be made to look like, so that the predictor learns from it.

Samples of one source hardly show a shift of classes or a mixture, yet targets do. So each labelled table also yields
subsets with skewed classes and mixtures with other tables. Every one is posed in one of two ways: as something new
(models and records of its groups are left out), or as more of something known (they stay, but what is said of them was
measured on the other half of the rows).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msearch_accuracy.cross_evaluations import LabelledTable, Workload
from msearch_accuracy.evidence import CandidateEvidence, TargetEvidence, pairwise_distances
from msearch_accuracy.records import Record, make_record
from msearch_accuracy.stacking import Moments, add_moments, moments_of

Rows = NDArray[np.int64]

_MOST_ROWS = 300
_ROWS_TOGETHER = 4
_MOST_CELLS = 2_000
_WITHOUT_RECORDS = 0.15
_MOST_COUNTS = 4_000_000
"""Numbers in all confusion matrices of the records that are kept of a workload."""


@dataclass(frozen=True, slots=True, eq=False)
class PseudoTarget:
    """A target whose labels [n] are known; `groups` are those its rows are of, all of one fold."""

    groups: frozenset[str]
    known: bool
    candidates: list[CandidateEvidence]
    target: TargetEvidence
    labels: NDArray[Any]
    records: list[Record]
    moments: list[Moments]


@dataclass(slots=True, eq=False)
class _Half:
    """A table cut in two: what is said of models is measured on the first half.

    `fresh` are rows that are in no first half of another group's table, `second` those in none at all.
    """

    table: LabelledTable
    second: Rows
    fresh: Rows
    record: Record
    moments: list[Moments]
    right: dict[str, float]


def draw_pseudo_targets(
    workload: Workload, folds: dict[str, int], random: np.random.Generator, each: int
) -> Iterator[PseudoTarget]:
    """Every table as it is, both ways, and `each` pseudo-targets of each table. Only tables of one fold are mixed."""
    halves = _cut(workload, random)
    for half in halves:
        for known in (False, True):
            yield _pose(workload, [(half, _rows(half, known, random))], halves, known, random)
    for half in halves:
        others = [h for h in halves if h.table.group != half.table.group and _fold(h, folds) == _fold(half, folds)]
        for _ in range(each):
            known = bool(random.integers(2))
            kind = int(random.integers(3))
            if kind == 0 or len(others) < kind:
                parts = [(half, _skew(half.table, _rows(half, known, random), random))]
            else:
                mixed = [half, *(others[place] for place in random.choice(len(others), kind, replace=False))]
                sizes = (_MOST_ROWS * random.uniform(0.2, 1, len(mixed)) / len(mixed)).astype(int)
                parts = [(part, _rows(part, known, random)[:size]) for part, size in zip(mixed, sizes, strict=True)]
            yield _pose(workload, parts, halves, known, random)


def records_of(workload: Workload) -> list[Record]:
    """Records of the tables on all their rows; of very many, as many as a predictor can hold, spread evenly."""
    tables = workload.tables
    classes = {name for model in workload.models for name in model.classes}
    largest = max((len(table.probabilities) for table in tables), default=0) * len(classes) ** 2
    most = min(len(tables), _MOST_COUNTS // max(1, largest))
    kept = np.unique(np.linspace(0, len(tables) - 1, most).round().astype(int)) if most else np.zeros(0, int)
    return [_record(tables[place], np.arange(len(tables[place].labels)), workload) for place in kept]


def _fold(half: _Half, folds: dict[str, int]) -> int:
    return folds[half.table.group]


def _cut(workload: Workload, random: np.random.Generator) -> list[_Half]:
    """Rows that lie together fall into the same half in every table.

    Tables of one registry may share rows, and rows may be of one document, or of overlapping windows: if such were in
    both halves, what is close would look more trustworthy than it is.
    """
    rows = [[row.tobytes() for row in np.asarray(table.ticks)] for table in workload.tables]
    points = {
        key: row
        for table, own in zip(workload.tables, rows, strict=True)
        for key, row in zip(own, table.ticks, strict=True)
    }
    distinct = sorted(points)
    places = np.array([points[key] for key in distinct], np.float32)
    cells = int(np.clip(len(places) // _ROWS_TOGETHER, min(2, len(places)), _MOST_CELLS))
    seeds = places[random.choice(len(places), cells, replace=False)]
    nearest = np.concatenate(
        [pairwise_distances(places[at : at + 256], seeds).argmin(axis=1) for at in range(0, len(places), 256)]
    )
    second = dict(zip(distinct, (random.random(len(seeds)) < 0.5)[nearest].tolist(), strict=True))
    groups: dict[bytes, set[str]] = {}
    for table, own in zip(workload.tables, rows, strict=True):
        for row in own:
            groups.setdefault(row, set()).add(table.group)
    halves = []
    for table, own in zip(workload.tables, rows, strict=True):
        later = np.array([second[row] for row in own], bool)
        fresh = later | np.array([len(groups[row]) == 1 for row in own], bool)
        record = _record(table, np.flatnonzero(~later), workload)
        right = {n: float(np.trace(c) / max(c.sum(), 1)) for n, c in record.confusions.items()}
        halves.append(
            _Half(
                table,
                np.flatnonzero(later),
                np.flatnonzero(fresh),
                record,
                moments_of(workload, [table.take(np.flatnonzero(~later))]),
                right,
            )
        )
    return halves


def _record(table: LabelledTable, rows: Rows, workload: Workload) -> Record:
    models = [model for model in workload.models if model.name in table.probabilities]
    classes = tuple(sorted({*map(str, table.labels), *(name for model in models for name in model.classes)}))
    places = {name: place for place, name in enumerate(classes)}
    votes = {}
    for model in models:
        own = np.array([places[name] for name in model.classes])
        votes[model.name] = own[np.asarray(table.probabilities[model.name])[rows].argmax(axis=1)]
    labels = np.array([places[str(label)] for label in table.labels], np.int64)[rows]
    return make_record(table.group, classes, table.ticks[rows], labels, votes)


def _rows(half: _Half, known: bool, random: np.random.Generator) -> Rows:
    rows = half.second if known else half.fresh
    return random.permutation(rows)[: 2 * _MOST_ROWS]


def _skew(table: LabelledTable, rows: Rows, random: np.random.Generator) -> Rows:
    """Some of the rows, with class shares drawn from a Dirichlet distribution."""
    names, labels = np.unique(np.asarray(table.labels, str)[rows], return_inverse=True)
    shares = random.dirichlet(np.full(len(names), 0.5))
    chances = (shares / np.bincount(labels))[labels]
    count = min(len(labels), _MOST_ROWS)
    return rows[np.unique(random.choice(len(labels), count, p=chances / chances.sum()))]


def _pose(
    workload: Workload,
    parts: Sequence[tuple[_Half, Rows]],
    halves: Sequence[_Half],
    known: bool,
    random: np.random.Generator,
) -> PseudoTarget:
    groups = frozenset(half.table.group for half, _ in parts)
    shared = set.intersection(*[set(half.table.probabilities) for half, _ in parts])
    measured: dict[str, float] = {}
    for half, _ in parts:
        own = {model.name for model in workload.models if model.group == half.table.group}
        measured |= {name: value for name, value in half.right.items() if name in own}
    candidates = [
        replace(
            model.as_candidate(
                np.concatenate([np.asarray(half.table.probabilities[model.name])[rows] for half, rows in parts])
            ),
            accuracy=None if model.accuracy is None else measured.get(model.name, model.accuracy),
        )
        for model in workload.models
        if model.name in shared and (known or model.group not in groups)
    ]
    # Models that were never cross-evaluated have no record: now and then none has.
    recorded = random.random() >= _WITHOUT_RECORDS
    asked = [half for half in halves if recorded and (known or half.table.group not in groups)]
    return PseudoTarget(
        groups,
        known,
        candidates,
        TargetEvidence(np.concatenate([half.table.ticks[rows] for half, rows in parts])),
        np.concatenate([np.asarray(half.table.labels)[rows] for half, rows in parts]),
        [half.record for half in asked],
        add_moments([moments for half in asked for moments in half.moments]),
    )

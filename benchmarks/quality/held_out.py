"""Labelled samples cut in two, as apart as a workload's claim says: what predictors may be chosen on.

No target takes part. The rows of one part are those of other people (activity), other tasks (matching), other documents
(topics), or other rows (images, sentiment), in every sample at once, for samples share rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray
from rich.console import Console

from benchmarks.quality.fits import FOLDS
from benchmarks.quality.judging import Judged, judge_predictions
from benchmarks.quality.zoo_workloads import Bench, sample_paths
from examples.zoo.entries import LABEL
from examples.zoo.fetch import fetch_all
from examples.zoo.locations import archive_folder, zoo_folder
from examples.zoo.reading import read_models
from examples.zoo.topics import documents
from msearch_accuracy import Predictor, TargetEvidence, predict
from msearch_accuracy.fitting import KnownModel, LabelledTable, Workload
from msearch_accuracy.gathering import deal

_FEWEST_ROWS = 25


@dataclass(frozen=True, slots=True, eq=False)
class HeldOut:
    """Evidence to fit on, and samples with the models to ask, none of which the evidence knows."""

    learned: Workload
    judged: tuple[tuple[LabelledTable, tuple[KnownModel, ...]], ...]


def hold_out(bench: Bench, seed: int) -> Iterator[HeldOut]:
    """Every row is in what is judged once. `seed` decides which rows are held out together."""
    if any(target.group for target in bench.targets):
        yield from _by_group(bench.workload)
    else:
        yield from _by_unit(bench.workload, _units(bench), seed)


def _by_group(workload: Workload) -> Iterator[HeldOut]:
    folds = deal([table.group for table in workload.tables], FOLDS)
    for fold in range(FOLDS):
        learned = tuple(table for table in workload.tables if folds[table.group] != fold)
        judged = tuple(
            (table, tuple(model for model in workload.models if model.group != table.group))
            for table in workload.tables
            if folds[table.group] == fold and len(table.labels) >= _FEWEST_ROWS
        )
        yield HeldOut(replace(workload, tables=learned), judged)


def _by_unit(workload: Workload, units: list[NDArray[np.str_]], seed: int) -> Iterator[HeldOut]:
    names = np.unique(np.concatenate(units))
    first = dict(
        zip(names.tolist(), (np.random.default_rng(seed).permutation(len(names)) % 2 == 0).tolist(), strict=True)
    )
    sides = [np.array([first[unit] for unit in own.tolist()]) for own in units]
    for wanted in (True, False):
        pairs = list(zip(workload.tables, sides, strict=True))
        learned = tuple(table.take(np.flatnonzero(side == wanted)) for table, side in pairs)
        held = [table.take(np.flatnonzero(side != wanted)) for table, side in pairs]
        judged = tuple((table, workload.models) for table in held if len(table.labels) >= _FEWEST_ROWS)
        yield HeldOut(replace(workload, tables=learned), judged)


def _units(bench: Bench) -> list[NDArray[np.str_]]:
    """Of each table's rows what they are a part of: the document, or the row itself."""
    if bench.name != "topics":
        return [np.array([row.tobytes().hex() for row in np.asarray(table.ticks)]) for table in bench.workload.tables]
    named = documents(fetch_all(archive_folder(), Console(stderr=True)))
    folder = zoo_folder() / bench.name
    return [
        np.array([named[passage] for passage in pq.read_table(path).drop_columns([LABEL]).column(0).to_pylist()])
        for path in sample_paths(folder, read_models(folder)).values()
    ]


def judge_held_out(
    predictor: Predictor, bench: Bench, sample: LabelledTable, models: tuple[KnownModel, ...], *, run: bool
) -> Judged:
    """Quality of a predictor's answer for a held-out sample."""
    metric = bench.workload.metric
    labels, ones = np.asarray(sample.labels, str), np.ones(len(sample.labels))
    votes = {model.name: np.asarray(sample.probabilities[model.name]).argmax(axis=1) for model in models}
    truth = np.array(
        [metric.expect(np.array(m.classes)[votes[m.name]] == labels, votes[m.name], m.classes, ones) for m in models]
    )
    candidates = [model.as_candidate(sample.probabilities[model.name] if run else None) for model in models]
    found = predict(predictor, candidates, TargetEvidence(sample.ticks), metric, explain=False)
    return judge_predictions(found, truth)

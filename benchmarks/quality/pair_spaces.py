"""The matching workload in other feature spaces than the default one, and how well labels carry over between tasks."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray
from scipy.stats import spearmanr

from benchmarks.quality.target_labels import count_metric
from benchmarks.quality.zoo_workloads import Bench, Target, Ticks
from examples.zoo.entries import LABEL
from examples.zoo.locations import zoo_folder
from examples.zoo.reading import target_path
from msearch_accuracy import Coreset, TargetEvidence
from msearch_accuracy.cross_evaluations import LabelledTable
from msearch_accuracy.pooled_sources import ask_pool, prepare_pool
from msearch_accuracy.problem import pose
from msearch_accuracy.witnesses import hear
from msearch_sketch import FeatureSpace, Signature, get_featuriser, open_dataset
from msearch_sketch.sketcher import Sketcher

CLASSES = ("different", "same")


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """Ticks of all rows of the workload in one space: of sources, validation samples (both by task group), targets.

    `labels`: class of each source row. `seconds_a_row` is processor time.
    """

    space: FeatureSpace
    sources: Mapping[str, Ticks]
    samples: Mapping[str, Ticks]
    targets: Mapping[str, Ticks]
    labels: Mapping[str, NDArray[np.int32]]
    seconds_a_row: float

    def scaled(self, kept: Sequence[int], factors: NDArray[np.float64]) -> Features:
        """Only some columns, each times a factor."""

        def scale(ticks: Mapping[str, Ticks]) -> dict[str, Ticks]:
            return {name: np.rint(one[:, kept] * factors).astype(np.int16) for name, one in ticks.items()}

        space = replace(self.space, dimension=len(kept))
        return replace(
            self,
            space=space,
            sources=scale(self.sources),
            samples=scale(self.samples),
            targets=scale(self.targets),
        )


def read_features(bench: Bench, featuriser: str) -> Features:
    """Features of every row of the workload, read from the zoo's files."""
    found, folder = get_featuriser(featuriser), zoo_folder() / bench.name
    space = found.fixed_space(open_dataset(target_path(folder, bench.targets[0].name)).columns)
    if space is None:
        raise ValueError(f"{featuriser} has no space of its own")
    rows, start = 0, time.thread_time()

    def transform(path: object, drop: list[str]) -> Ticks:
        nonlocal rows
        dataset = open_dataset(pq.read_table(path).drop_columns(drop))
        ticks = np.concatenate([found.transform(b, dataset.columns, space).ticks for b in dataset.batches()])
        rows += len(ticks)
        return ticks

    groups = [table.group for table in bench.workload.tables]
    sources = {group: transform(folder / "sources" / f"{group}.parquet", [LABEL]) for group in groups}
    samples = {group: transform(folder / "validation" / f"{group}.parquet", [LABEL]) for group in groups}
    targets = {target.name: transform(target_path(folder, target.name), []) for target in bench.targets}
    seconds = (time.thread_time() - start) / rows
    labels = {}
    for group in groups:
        column = pq.read_table(folder / "sources" / f"{group}.parquet", columns=[LABEL]).column(LABEL).to_pylist()
        labels[group] = np.array([CLASSES.index(str(label)) for label in column], np.int32)
    return Features(space, sources, samples, targets, labels, seconds)


def in_space(bench: Bench, features: Features, *, held_out: bool) -> Bench:
    """The workload in another space; `held_out`: the validation samples take the place of the targets."""
    signatures = {
        group: _sketch(ticks, features.space, features.labels[group]) for group, ticks in features.sources.items()
    }
    models = tuple(
        replace(model, source=Coreset.of(model.group, signatures[model.group])) for model in bench.workload.models
    )
    tables = tuple(replace(table, ticks=features.samples[table.group]) for table in bench.workload.tables)
    if held_out:
        targets = tuple(_as_target(table, features.space) for table in tables)
    else:
        ticks = features.targets
        targets = tuple(
            replace(t, ticks=ticks[t.name], signature=_sketch(ticks[t.name], features.space)) for t in bench.targets
        )
    workload = replace(bench.workload, models=models, tables=tables)
    return replace(bench, workload=workload, space=features.space, signatures=signatures, targets=targets)


def _sketch(ticks: Ticks, space: FeatureSpace, labels: NDArray[np.int32] | None = None) -> Signature:
    sketcher = Sketcher(space)
    sketcher.add(ticks, labels)
    return sketcher.signature(() if labels is None else CLASSES)


def _as_target(table: LabelledTable, space: FeatureSpace) -> Target:
    labels = _places(table)
    outputs = {name: given for name, given in table.probabilities.items() if name != table.group}
    votes = np.array([given.argmax(axis=1) for given in outputs.values()])
    truth = dict(zip(outputs, count_metric(votes, labels, 1).tolist(), strict=True))
    return Target(table.group, table.group, table.ticks, _sketch(table.ticks, space), outputs, truth)


def _places(table: LabelledTable) -> NDArray[np.int64]:
    return np.array([CLASSES.index(str(label)) for label in table.labels], np.int64)


MEASURES = ("neighbours F1", "ridge F1", "pooled F1", "accuracy", "log loss", "order", "order, run", "stand-in")


def carry_over(bench: Bench) -> dict[str, float]:
    """How well labels of other tasks' sources carry over to each validation sample: means over tasks.

    F1 of matches by the nearest centroids, by ridge regression and by all pooled classifiers; accuracy and log loss of
    the latter. `order`: Spearman of the soft F1 that the pool expects of each source's own neighbours, `order, run` of
    each model's outputs under pool and Dawid-Skene, with the true F1 of the models; nothing is learned for it.
    `stand-in`: how often a source's neighbours and its model agree.
    """
    rows = []
    for target, table in zip(bench.targets, bench.workload.tables, strict=True):
        labels = _places(table)
        models = [model for model in bench.workload.models if model.name in target.outputs]
        sources = tuple(model.source for model in models if model.source is not None)
        prepared = prepare_pool(sources, CLASSES, bench.space.dimension)
        if prepared is None:
            raise ValueError("the sources have no labelled centroids")
        evidence = TargetEvidence(table.ticks)
        candidates = [model.as_candidate(target.outputs[model.name]) for model in models]
        stand_ins, run = pose(candidates, evidence, run=False), pose(candidates, evidence, run=True)
        told, _ = ask_pool(prepared, run.rows, len(CLASSES))
        votes = np.array([told[name].argmax(axis=1) for name in ("pooled_knn", "pooled_linear", "pooled")])
        combined = hear(run, run=True).posteriors["combined"][:, 1]
        truth = np.array([target.truth[name] for name in run.names])
        rows.append(
            [
                *count_metric(votes, labels, 1).tolist(),
                float((votes[2] == labels).mean()),
                float(-np.log(told["pooled"][np.arange(len(labels)), labels] + 1e-9).mean()),
                _spearman(_soft_f1(stand_ins.votes, told["pooled"][:, 1]), truth),
                _spearman(_soft_f1(run.votes, combined), truth),
                float((stand_ins.votes == run.votes).mean()),
            ]
        )
    return dict(zip(MEASURES, np.mean(rows, axis=0).tolist(), strict=True))


def _soft_f1(votes: NDArray[np.int64], same: NDArray[np.float64]) -> NDArray[np.float64]:
    hits = ((votes == 1) * same).sum(axis=1)
    result: NDArray[np.float64] = 2 * hits / np.maximum((votes == 1).sum(axis=1) + same.sum(), 1e-9)
    return result


def _spearman(values: NDArray[np.float64], truth: NDArray[np.float64]) -> float:
    return float(np.nan_to_num(spearmanr(values, truth).statistic))

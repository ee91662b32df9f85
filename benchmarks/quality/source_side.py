"""How good a feature space is, judged by labelled validation samples alone: no target is looked at.

Every validation sample plays the target; whatever belongs to its own source is left out.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.quality.zoo_workloads import Bench
from examples.zoo.quality import judge as judge_order
from msearch_accuracy.cross_evaluations import KnownModel, LabelledTable
from msearch_accuracy.evidence import Coreset, pairwise_distances
from msearch_accuracy.pooled_sources import ask_pool, prepare_pool
from msearch_sketch.sketcher import Sketcher
from msearch_sketch.spaces import TICKS_PER_UNIT
from search_service.domain.ranking import Source
from search_service.scores import find_scores

NEIGHBOURS = 5
SCORES = ("adaptivity", "nearest", "frechet", "mmd")


@dataclass(frozen=True, slots=True)
class SpaceQuality:
    """Means over the validation samples of a workload.

    `neighbours`: accuracy of the vote of the 5 nearest labelled centroids of other sources. `pooled`: of the
    predictor's three classifiers of them together. `stand_in`: Spearman of the models' accuracies with those of the 5
    nearest centroids of each model's own source, which stand in for it. `scores`: of each score with the accuracies.
    """

    neighbours: float
    pooled: float
    stand_in: float
    scores: dict[str, float]

    def rounded(self) -> dict[str, float]:
        """All values by name, to four places."""
        values = asdict(self)
        return {name: round(value, 4) for name, value in (values | values.pop("scores")).items()}


def judge_space(bench: Bench) -> SpaceQuality:
    """Judges the space of a workload in which candidates know all classes by the metric accuracy."""
    cores = {str(model.source.name): model.source for model in bench.workload.models if model.source is not None}
    classes = tuple(sorted({name for model in bench.workload.models for name in model.classes}))
    rows = [_judge_table(bench, table, cores, classes) for table in bench.workload.tables]
    neighbours, pooled, stand_in, *scores = np.mean(rows, axis=0).tolist()
    return SpaceQuality(neighbours, pooled, stand_in, dict(zip(SCORES, scores, strict=True)))


def _judge_table(
    bench: Bench, table: LabelledTable, cores: dict[str, Coreset], classes: tuple[str, ...]
) -> list[float]:
    points = table.ticks.astype(np.float32) / np.float32(TICKS_PER_UNIT)
    labels = np.array([classes.index(label) for label in table.labels])
    others = tuple(core for name, core in cores.items() if name != table.group)
    prepared = prepare_pool(others, classes, points.shape[1])
    if prepared is None:
        raise ValueError(f"the sources beside {table.group} have no labelled centroid")
    posterior = ask_pool(prepared, points, len(classes))[0]["pooled"]
    candidates = [model for model in bench.workload.models if model.group != table.group]
    truth = np.array([_accuracy(model, table) for model in candidates])
    alone = [(_vote((cores[bench.sources[model.name]],), points, classes) == labels).mean() for model in candidates]
    return [
        float((_vote(others, points, classes) == labels).mean()),
        float((posterior.argmax(axis=1) == labels).mean()),
        judge_order(np.array(alone), truth).spearman,
        *_judge_scores(bench, table, candidates, truth),
    ]


def _accuracy(model: KnownModel, table: LabelledTable) -> float:
    votes = np.array(model.classes, object)[table.probabilities[model.name].argmax(axis=1)]
    return float((votes == table.labels).mean())


def _vote(cores: tuple[Coreset, ...], points: NDArray[np.float32], classes: tuple[str, ...]) -> NDArray[np.int64]:
    """The class that most of the nearest centroids have. [n]"""
    centroids = np.concatenate([core.points for core in cores])
    labels = np.concatenate([np.array([classes.index(name) for name in core.classes])[core.labels] for core in cores])
    near = np.argpartition(pairwise_distances(points, centroids), NEIGHBOURS - 1, axis=1)[:, :NEIGHBOURS]
    cells = np.arange(len(points))[:, None] * len(classes) + labels[near]
    return np.bincount(cells.ravel(), minlength=len(points) * len(classes)).reshape(len(points), -1).argmax(axis=1)


def _judge_scores(
    bench: Bench, table: LabelledTable, candidates: list[KnownModel], truth: NDArray[np.float64]
) -> list[float]:
    sketcher = Sketcher(bench.space)
    sketcher.add(table.ticks)
    signature = sketcher.signature()
    sources = [Source(bench.signatures[bench.sources[model.name]], model.accuracy) for model in candidates]
    found = []
    for name in SCORES:
        score = find_scores()[name]
        values = score.compute(signature, sources, bench.space).values
        found.append(judge_order(values if score.info.higher_is_better else -values, truth).spearman)
    return found

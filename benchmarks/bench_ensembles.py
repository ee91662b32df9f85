"""Does an ensemble that covers a target together beat its best member, or the best single candidate? On the zoo.

    python -m benchmarks.bench_ensembles

For every target up to three sources are taken by greedy coverage of its cells, from signatures alone, each with one of
its models. Their outputs are combined in three ways and compared with the member taken first, and with the best single
candidate, which nobody knows beforehand.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from numpy.typing import NDArray

from benchmarks.quality.rankings import candidates_of
from benchmarks.quality.target_labels import count_metric, read_target_labels
from benchmarks.quality.zoo_workloads import NAMES, Bench, Target, read_bench
from benchmarks.report import Report, print_table
from msearch_accuracy.ensembles import choose_cover, closeness, combine_outputs
from msearch_accuracy.evidence import Coreset, TargetEvidence
from msearch_accuracy.problem import pose
from msearch_sketch.spaces import TICKS_PER_UNIT

MEMBERS = 3
COLUMNS = ("first member", "routed", "weighed", "mean", "best single", "covered", "covered alone")


def judge_target(bench: Bench, target: Target, labels: NDArray[np.str_]) -> list[float]:
    """The columns for one target."""
    posed = pose(candidates_of(bench, target, run=True), TargetEvidence(target.ticks), run=True)
    places = {name: place for place, name in enumerate(posed.classes)}
    true = np.array([places.get(str(label), -1) for label in labels])
    metric = bench.workload.metric
    positive = None if metric.positive is None else places[metric.positive]
    first_of: dict[str, tuple[int, Coreset]] = {}
    for at, source in enumerate(posed.sources):
        if source is not None:
            first_of.setdefault(source.name, (at, source))
    models, sources = [at for at, _ in first_of.values()], [source for _, source in first_of.values()]
    cells = (target.signature.centroids / np.float32(TICKS_PER_UNIT)).astype(np.float32)
    cover = choose_cover(closeness(cells, sources), target.signature.centroid_weights, MEMBERS)
    chosen = [member.place for member in cover.members]
    outputs = posed.probabilities[[models[place] for place in chosen]].astype(np.float64)
    covers = closeness(posed.rows, [sources[place] for place in chosen])
    combined = (
        outputs[0],
        combine_outputs(outputs, covers, routed=True),
        combine_outputs(outputs, covers),
        combine_outputs(outputs),
    )
    reached = [float(count_metric(values.argmax(axis=1)[None], true, positive)[0]) for values in combined]
    best = float(count_metric(posed.votes, true, positive).max())
    return [*reached, best, cover.covered, cover.best_alone]


def judge_workload(name: str) -> NDArray[np.float64]:
    """The columns for every target of a workload. [targets, columns]"""
    bench, labels = read_bench(name), read_target_labels(name)
    return np.array([judge_target(bench, target, labels[target.name]) for target in bench.targets])


def main(_arguments: Sequence[str] | None = None) -> int:
    """Runs the benchmark; it has no bar."""
    report = Report("ensembles")
    start = time.monotonic()
    with ProcessPoolExecutor(2) as pool:
        judged = dict(zip(NAMES, pool.map(judge_workload, NAMES), strict=True))
    rows, means = [], []
    for name, found in judged.items():
        wins = (found[:, 2] > found[:, 0] + 1e-9).mean(), (found[:, 2] > found[:, 4] + 1e-9).mean()
        means.append(found.mean(axis=0))
        rows.append([name, *(f"{value:.3f}" for value in means[-1]), *(f"{win:.2f}" for win in wins)])
        report.figure(name, {**dict(zip(COLUMNS, np.round(means[-1], 4).tolist(), strict=True)),
                             "weighed beats first": round(float(wins[0]), 3),
                             "weighed beats best single": round(float(wins[1]), 3)})  # fmt: skip
    overall = np.mean(means, axis=0)
    rows.append(["mean", *(f"{value:.3f}" for value in overall), "", ""])
    report.figure("mean", dict(zip(COLUMNS, np.round(overall, 4).tolist(), strict=True)))
    print_table(["workload", *COLUMNS, "beats first", "beats best"], rows)
    report.figure("seconds of the whole run", round(time.monotonic() - start, 1))
    print(f"{time.monotonic() - start:.0f} s")
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())

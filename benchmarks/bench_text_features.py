"""What the features of texts are worth, part by part, and what they do for the predictor.

    python -m benchmarks.bench_text_features [--quick]

Needs the zoo (`python -m examples.zoo build`). The text featurisers, and parts of `text-words` alone or left out, are
judged by validation samples of sources alone (`quality.source_side`): the constants were chosen on such figures. And
the predictor on own evidence is fitted in the spaces of both featurisers, and judged on the targets; `--quick` leaves
that out.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, replace
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pyarrow as pa

from benchmarks.bench_sketch import texts
from benchmarks.quality.fits import fit_own
from benchmarks.quality.judging import mean_judged
from benchmarks.quality.other_spaces import see_in_space
from benchmarks.quality.predicting import judge_predictor
from benchmarks.quality.source_side import judge_space
from benchmarks.quality.zoo_workloads import Bench, read_bench
from benchmarks.report import Report, print_table
from msearch_accuracy import TargetEvidence
from msearch_accuracy.fitting import FitSettings, gather
from msearch_accuracy.predictor import FORMS
from msearch_sketch import FeatureSpace, get_featuriser
from msearch_sketch.featurisers.base import Columns

WORKLOADS = ("sentiment", "topics")
SEEDS = (0, 1)
OLD, NEW = "text-hash@1", "text-words@1"
VARIANTS: dict[str, dict[str, int]] = {
    "everything": {},
    "without meaning": {"meaning": 0},
    "without style": {"style": 0},
    "without valence": {"valence": 0},
    "meaning alone": {"style": 0, "valence": 0},
    "style alone": {"meaning": 0, "valence": 0},
    "valence alone": {"meaning": 0, "style": 0},
    "style half": {"style": 1024},
    "style twice": {"style": 4096},
    "valence half": {"valence": 512},
    "valence twice": {"valence": 2048},
}
Row = dict[str, float]

# Without the pseudo-targets that are drawn from the tables: they do not pay here (docs/predictor.md), and take most
# of the time.
_SETTINGS = FitSettings(pseudo_targets=0, jobs=1)
_COLUMNS = Columns(("text",), ("string",))
_TIMED_TEXTS, _REPEATS = 10_000, 5


def main(arguments: list[str] | None = None) -> int:
    """Runs the benchmark; gives 1 if a bar is short."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="judge by validation samples alone")
    quick = parser.parse_args(arguments).quick
    report = Report("text_features", quick)
    spaces = {OLD: _space(OLD)} | {f"{NEW}, {name}": _space(NEW, weights) for name, weights in VARIANTS.items()}
    with ProcessPoolExecutor(2) as pool:
        benches = dict(zip(WORKLOADS, pool.map(read_bench, WORKLOADS), strict=True))
        targets = {}
        if not quick:
            tasks = [(bench, name, seed) for bench in benches.values() for name in (OLD, NEW) for seed in SEEDS]
            targets = _by_workload(tasks, pool.map(_judge_targets, tasks))
        tasks_of_spaces = [(bench, name, space) for bench in benches.values() for name, space in spaces.items()]
        samples = _by_workload(tasks_of_spaces, pool.map(_judge_samples, tasks_of_spaces))
    for workload, rows in samples.items():
        print(f"\n{workload}, by validation samples of sources\n")
        heading = ["features", *next(iter(rows.values()))]
        print_table(heading, [[name, *(f"{v:.3f}" for v in row.values())] for name, row in rows.items()])
    report.figure("validation samples", samples)
    report.figure("targets, predictor on own evidence", targets)
    cost = {name: _microseconds(name) for name in (OLD, NEW)}
    report.figure("processor microseconds a text of 100 characters", cost)
    report.bar("cost of text-words over text-hash", cost[NEW] / cost[OLD], limit=2.0)
    return report.finish()


def _by_workload(tasks: Sequence[tuple[Any, ...]], found: Iterable[Row]) -> dict[str, dict[str, Row]]:
    """Results by workload and features; of several seeds, the mean."""
    gathered: dict[str, dict[str, list[Row]]] = {}
    for (bench, name, *_), row in zip(tasks, found, strict=True):
        gathered.setdefault(bench.name, {}).setdefault(name, []).append(row)
    return {workload: {name: _mean(seeds) for name, seeds in rows.items()} for workload, rows in gathered.items()}


def _mean(rows: Sequence[Row]) -> Row:
    return {key: round(statistics.fmean(row[key] for row in rows), 4) for key in rows[0]}


def _space(name: str, weights: Mapping[str, int] | None = None) -> FeatureSpace:
    space = get_featuriser(name).fixed_space(_COLUMNS)
    if space is None:
        raise ValueError(f"{name} has no fixed space")
    return replace(space, parameters={**space.parameters, **(weights or {})})


def _judge_samples(task: tuple[Bench, str, FeatureSpace]) -> Row:
    bench, _, space = task
    return judge_space(see_in_space(bench, space)).rounded()


def _judge_targets(task: tuple[Bench, str, int]) -> Row:
    """Measures of both forms, "signatures" and "outputs"."""
    plain, name, seed = task
    bench = see_in_space(plain, _space(name))
    own = fit_own(bench, seed, _SETTINGS, {bench.name: gather(bench.workload, seed, _SETTINGS)})
    row: Row = {}
    for form in FORMS:
        run = form == "outputs"
        judged = mean_judged(
            [judge_predictor(bench, t, own.of(t), TargetEvidence(t.ticks), run=run)[0] for t in bench.targets]
        )
        row |= {f"{form}: {measure}": round(value, 4) for measure, value in asdict(judged).items()}
        said = f"{judged.spearman:.3f} / {judged.regret_1:.3f} / {judged.mae:.3f} / {judged.coverage:.2f}"
        print(f"{bench.name}, targets, {name}, seed {seed}, {form}: {said}", flush=True)
    return row


def _microseconds(name: str) -> float:
    """Median processor time of a text of the sketching benchmark, whose words no table knows: the dearest case."""
    featuriser, space = get_featuriser(name), _space(name)
    table = texts(_TIMED_TEXTS, np.random.default_rng(1))
    batch = pa.RecordBatch.from_arrays([table.column("text").combine_chunks()], names=["text"])
    seconds = []
    for _ in range(_REPEATS):
        start = time.process_time()
        featuriser.transform(batch, _COLUMNS, space)
        seconds.append(time.process_time() - start)
    return round(1e6 * statistics.median(seconds) / _TIMED_TEXTS, 1)


if __name__ == "__main__":
    sys.exit(main())

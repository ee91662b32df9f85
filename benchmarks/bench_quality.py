"""How well candidates are ordered without labels, on all workloads of the example zoo.

    python -m benchmarks.bench_quality [--quick]

Needs the zoo (`python -m examples.zoo build`). Beside the result file it writes quality.html. What is learned is
learned from cross-evaluations on validation samples (a workload's own, or the other workloads'); nothing is fitted or
tuned on a target. The bars are those of the product, reached or not; the exit status is 1 if one is short.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import defaultdict
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import asdict, dataclass, field

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from benchmarks.quality.ablation import Ablation, ablate
from benchmarks.quality.fits import QUICK, Gathered
from benchmarks.quality.html_report import bars_plot, scatter_plot, table, write_report
from benchmarks.quality.judging import Judged, bootstrap_difference, judge, mean_judged
from benchmarks.quality.learned import (
    DEFAULT_RUN,
    OURS,
    RUN,
    SIGNED,
    judge_learned,
)
from benchmarks.quality.rankings import Rankings, oracle_draws
from benchmarks.quality.speed import measure_speed
from benchmarks.quality.zoo_workloads import NAMES, Bench, read_bench
from benchmarks.report import RESULTS, Report, print_table
from msearch_accuracy import default_predictor
from msearch_accuracy.fitting import Examples, FitSettings, gather
from msearch_accuracy.predictor import Form

SETTINGS = FitSettings()

COMPARED = (
    *("dawid_skene", "nuclear_norm", "adaptivity", "adaptivity_jsd", "nearest", "jsd", "l2", "peer: RKME-MMD"),
    *("peer: datasketch containment", "oracle: 50 labels", "oracle: 100 labels"),
)


@dataclass(slots=True)
class Results:
    """Judged rankings by name and workload, one a target (over seeds: the mean); and points for the plot."""

    judged: dict[str, dict[str, list[Judged]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(list)))
    points: dict[str, list[tuple[float, float]]] = field(default_factory=lambda: defaultdict(list))
    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def mean(self, name: str, workload: str | None = None) -> Judged:
        """Mean over targets of one workload, or over workloads of that."""
        by_workload = self.judged[name]
        if workload is not None:
            return mean_judged(by_workload[workload])
        return mean_judged([mean_judged(targets) for targets in by_workload.values()])

    def column(self, name: str, measure: str) -> dict[str, list[float]]:
        """A measure of every target by workload."""
        return {w: [getattr(one, measure) for one in targets] for w, targets in self.judged[name].items()}


def main(arguments: list[str] | None = None) -> int:
    """Runs the benchmark; gives 1 if a bar is short."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="little evidence and few trees; the bars prove nothing")
    quick = parser.parse_args(arguments).quick
    report = Report("quality", quick)
    settings, seeds = (QUICK, (0,)) if quick else (SETTINGS, (0, 1))
    start = time.monotonic()
    with ProcessPoolExecutor(2) as pool:
        benches = dict(zip(NAMES, pool.map(read_bench, NAMES), strict=True))
        _say(start, "read the zoo and ran its models")
        results = Results()
        for judged in pool.map(_judge_unlearned, benches.values()):
            for name, workload, ones, seconds in judged:
                results.judged[name][workload] += ones
                results.seconds[name] += seconds
        _say(start, "judged scores, peers and oracles")
        gathered: dict[int, Gathered] = {}
        for seed in seeds:
            drawn = pool.map(_gather, [(bench, seed, settings) for bench in benches.values()])
            gathered[seed] = dict(zip(NAMES, drawn, strict=True))
        _say(start, "cross-evaluated")
        _judge_learned(pool, results, benches, gathered, settings, start=start)
        ablation = {} if quick else ablate(pool, benches, gathered[0], settings)
        _say(start, "ablated")
    speed = measure_speed(benches[NAMES[0]], default_predictor())
    _print(results, ablation, report)
    for name, value in speed.items():
        report.figure(f"speed: {name}", value)
    _add_bars(report, results, speed)
    report.figure("seconds of the whole run", round(time.monotonic() - start, 1))
    report.figure("claims", {bench.name: bench.claim for bench in benches.values()})
    _write_html(report, results, ablation)
    return report.finish()


def _say(start: float, what: str) -> None:
    print(f"[{time.monotonic() - start:5.0f} s] {what}", flush=True)


def _gather(key: tuple[Bench, int, FitSettings]) -> dict[Form, Examples]:
    bench, seed, settings = key
    return gather(bench.workload, seed, settings)


def _judge_unlearned(bench: Bench) -> list[tuple[str, str, list[Judged], list[float]]]:
    rankings = Rankings(bench)
    judged: dict[str, list[Judged]] = defaultdict(list)
    seconds: dict[str, list[float]] = defaultdict(list)
    for seed, target in enumerate(bench.targets):
        truth = np.array(list(target.truth.values()))
        for name, ranking in rankings.rank(target, seed).items():
            judged[name].append(judge(ranking.values, truth, estimates=ranking.estimates))
            seconds[name].append(ranking.seconds)
        for name, draws in oracle_draws(target, seed).items():
            judged[name].append(mean_judged([judge(values, truth, estimates=True) for values in draws]))
    return [(name, bench.name, ones, seconds[name]) for name, ones in judged.items()]


def _judge_learned(
    pool: Executor,
    results: Results,
    benches: dict[str, Bench],
    gathered: dict[int, Gathered],
    settings: FitSettings,
    *,
    start: float,
) -> None:
    tasks = {
        name: [pool.submit(judge_learned, bench, seed, settings, examples) for seed, examples in gathered.items()]
        for name, bench in benches.items()
    }
    for name, seeds in tasks.items():
        by_seed: dict[str, list[list[Judged]]] = defaultdict(list)
        for place, task in enumerate(seeds):
            learned = task.result()
            for way, ones in learned.judged.items():
                by_seed[way].append(ones)
                results.seconds[way] += learned.seconds[way]
            if place == 0:
                results.points[name] = learned.points
        for way, lists in by_seed.items():
            results.judged[way][name] += [mean_judged(ones) for ones in zip(*lists, strict=True)]
        _say(
            start,
            f"{name}: run {_short(results.mean(RUN, name))}, default {_short(results.mean(DEFAULT_RUN, name))}, "
            f"signatures {_short(results.mean(SIGNED, name))}",
        )


def _short(judged: Judged) -> str:
    return f"{judged.spearman:.3f} / {judged.regret_1:.3f} / {judged.mae:.3f} / {judged.coverage:.2f}"


def _row(name: str, judged: Judged) -> list[str]:
    return [name, *("" if np.isnan(value) else f"{value:.3f}" for value in asdict(judged).values())]


_HEADING = ("ranked by", "Spearman", "Kendall", "regret@1", "regret@5", "top-1", "MAE", "coverage")


def _ordered(results: Results) -> list[str]:
    return sorted(results.judged, key=lambda name: -results.mean(name).spearman)


def _print(results: Results, ablation: Ablation, report: Report) -> None:
    names = _ordered(results)
    print("\nMean over workloads\n")
    print_table(_HEADING, [_row(name, results.mean(name)) for name in names])
    for workload in NAMES:
        print(f"\n{workload}\n")
        print_table(_HEADING, [_row(name, results.mean(name, workload)) for name in names])
    if ablation:
        print("\nAblation, own evidence; Spearman by workload, all with fewer trees\n")
        print_table(*_ablation_table(ablation))
    report.figure("mean", {name: _clean(results.mean(name)) for name in names})
    report.figure("by workload", {w: {name: _clean(results.mean(name, w)) for name in names} for w in NAMES})
    by_variant = {name: {w: _clean(one) for w, one in found.items()} for name, found in ablation.items()}
    report.figure("ablation", by_variant)
    report.figure("seconds a target", {n: round(float(np.mean(s)), 5) for n, s in results.seconds.items() if s})
    differences = {ours: _differences(results, ours) for ours in (RUN, SIGNED, DEFAULT_RUN)}
    for ours, found in differences.items():
        print(f"\nSpearman of {ours} less another's: mean, paired 95 % bootstrap interval\n")
        print_table(("less", "mean", "low", "high"), _difference_rows(found))
    report.figure("Spearman less another's: mean, paired 95 % bootstrap interval", differences)


def _differences(results: Results, ours: str) -> dict[str, list[float]]:
    first = results.column(ours, "spearman")
    compared = {name: results.column(name, "spearman") for name in COMPARED if name in results.judged}
    return {name: [round(value, 4) for value in bootstrap_difference(first, other)] for name, other in compared.items()}


def _difference_rows(found: dict[str, list[float]]) -> list[list[str]]:
    return [[name, *(f"{value:+.3f}" for value in values)] for name, values in found.items()]


def _ablation_table(ablation: Ablation) -> tuple[list[str], list[list[str]]]:
    """Mean of each measure, and the Spearman of each workload."""
    workloads = list(next(iter(ablation.values())))
    rows = []
    for name, found in ablation.items():
        mean = mean_judged(list(found.values()))
        cells = (mean.spearman, mean.regret_1, mean.mae, *(found[workload].spearman for workload in workloads))
        rows.append([name, *(f"{value:.3f}" for value in cells)])
    return ["variant", "Spearman", "regret@1", "MAE", *workloads], rows


def _clean(judged: Judged) -> dict[str, float | None]:
    return {name: None if np.isnan(value) else round(value, 4) for name, value in asdict(judged).items()}


def _workloads_ahead(results: Results, ours: str) -> int:
    """Workloads on which no way that needs neither labels nor learning has a better Spearman."""
    peers = [n for n in results.judged if n not in OURS and not n.startswith(("oracle", "ceiling"))]
    if ours == SIGNED:  # behaviour scores have seen the outputs, so they are no peers of what has not
        peers = [n for n in peers if n not in _BEHAVIOUR]
    return sum(all(results.mean(ours, w).spearman > results.mean(peer, w).spearman for peer in peers) for w in NAMES)


_BEHAVIOUR = (
    *("confidence", "entropy", "atc", "doc", "nuclear_norm", "mutual_information", "mano", "cot", "consensus"),
    "dawid_skene",
)


def _add_bars(report: Report, results: Results, speed: dict[str, float]) -> None:
    run, signed, default = results.mean(RUN), results.mean(SIGNED), results.mean(DEFAULT_RUN)
    report.bar("candidates run: Spearman", run.spearman, limit=0.93, more_is_better=True)
    report.bar("candidates run: regret@1", run.regret_1, limit=0.015)
    report.bar("candidates run: MAE", run.mae, limit=0.035)
    report.bar("candidates run: least coverage", run.coverage, limit=0.87, more_is_better=True)
    report.bar("candidates run: most coverage", run.coverage, limit=0.95)
    report.bar("signatures only: Spearman", signed.spearman, limit=0.80, more_is_better=True)
    report.bar("signatures only: regret@1", signed.regret_1, limit=0.06)
    report.bar("default, unseen workload: Spearman", default.spearman, limit=0.88, more_is_better=True)
    report.bar("default, unseen workload: regret@1", default.regret_1, limit=0.04)
    for name, ours in (("candidates run", RUN), ("signatures only", SIGNED), ("default", DEFAULT_RUN)):
        ahead = _workloads_ahead(results, ours)
        report.bar(f"{name}: workloads ahead of every label-free peer", ahead, limit=4, more_is_better=True)
    report.bar("ms for 10 candidates x 500 rows", 1000 * speed["10 candidates x 500 rows, s"], limit=200)
    report.bar("s for 1,000 candidates by signature", speed["1,000 candidates by signature, s"], limit=1)


def _write_html(report: Report, results: Results, ablation: Ablation) -> None:
    names = _ordered(results)
    shown = {name: results.mean(name).spearman for name in names}
    sections = [
        ("Spearman with the true accuracies, mean over workloads", bars_plot(shown, "Spearman")),
        ("Predicted and true, candidates run", scatter_plot(results.points)),
        ("All workloads", table(_HEADING, [_row(name, results.mean(name)) for name in names])),
    ]
    for workload in NAMES:
        rows = [_row(name, results.mean(name, workload)) for name in names]
        sections.append((f"{workload}: {report.figures['claims'][workload]}", table(_HEADING, rows)))
    if ablation:
        sections.append(("Ablation, own evidence; Spearman by workload", table(*_ablation_table(ablation))))
    for ours in (RUN, SIGNED, DEFAULT_RUN):
        rows = _difference_rows(_differences(results, ours))
        title = f"Spearman of {ours} less another's: mean, paired 95 % bootstrap interval"
        sections.append((title, table(("less", "mean", "low", "high"), rows)))
    RESULTS.mkdir(parents=True, exist_ok=True)
    write_report(RESULTS / f"quality{'_quick' if report.quick else ''}.html", sections, report.bars)


if __name__ == "__main__":
    sys.exit(main())

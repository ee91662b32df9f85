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
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from benchmarks.quality.fits import OwnPredictors, fit_default, fit_own, plain, without_groups
from benchmarks.quality.html_report import bars_plot, scatter_plot, table, write_report
from benchmarks.quality.judging import Judged, bootstrap_difference, judge, mean_judged
from benchmarks.quality.rankings import Rankings, candidates_of, oracle_draws
from benchmarks.quality.speed import measure_speed
from benchmarks.quality.zoo_workloads import NAMES, Bench, Target, read_bench
from benchmarks.report import RESULTS, Report, print_table
from msearch_accuracy import Predictor, TargetEvidence, blend, predict
from msearch_accuracy.fitting import Examples, FitSettings, fit_form, gather
from msearch_accuracy.predictor import FORMS, Form
from msearch_accuracy.row_features import GROUPS

SETTINGS = FitSettings()
QUICK = FitSettings(pseudo_targets=1, trees=20, fold_trees=8, rows_a_pair=15)
ABLATED = FitSettings(trees=30)

RUN, SIGNED = "predictor, candidates run", "predictor, signatures only"
CENTROIDS = "predictor, signatures only, target as centroids"
DEFAULT_RUN, DEFAULT_SIGNED = (
    "default of other workloads, candidates run",
    "default of other workloads, signatures only",
)
BLENDED = "default and own mixed, candidates run"

Key = tuple[str, Form]


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
        gathered: dict[int, dict[Key, Examples]] = {}
        for seed in seeds:
            keys = [(bench, form, seed, settings) for bench in benches.values() for form in FORMS]
            gathered[seed] = {(b.name, f): e for (b, f, _, _), e in zip(keys, pool.map(_gather, keys), strict=True)}
    _say(start, "cross-evaluated")
    _judge_learned(results, benches, gathered, settings, start)
    ablation = {} if quick else _ablate(benches, gathered[0], start)
    speed = measure_speed(benches[NAMES[0]], fit_default([NAMES[0]], 0, QUICK, gathered[0]))
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


def _gather(key: tuple[Bench, Form, int, FitSettings]) -> Examples:
    bench, form, seed, settings = key
    return gather(bench.workload, form, seed, settings)


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
    results: Results,
    benches: dict[str, Bench],
    gathered: dict[int, dict[Key, Examples]],
    settings: FitSettings,
    start: float,
) -> None:
    for bench in benches.values():
        by_seed: dict[str, list[list[Judged]]] = defaultdict(list)
        default: Predictor | None = None
        for seed, examples in gathered.items():
            own = fit_own(bench, seed, settings, examples)
            if default is None:  # one seed: it takes the longest, and varies the least
                default = fit_default([name for name in benches if name != bench.name], seed, settings, examples)
            for name, ones in _judge_predictors(bench, own, default, results, plot=seed == 0).items():
                by_seed[name].append(ones)
        for name, seeds in by_seed.items():
            results.judged[name][bench.name] += [mean_judged(ones) for ones in zip(*seeds, strict=True)]
        _say(
            start,
            f"{bench.name}: own {_short(results.mean(RUN, bench.name))}, "
            f"default {_short(results.mean(DEFAULT_RUN, bench.name))}, "
            f"signatures {_short(results.mean(SIGNED, bench.name))}",
        )


def _judge_predictors(
    bench: Bench, own: OwnPredictors, default: Predictor, results: Results, *, plot: bool
) -> dict[str, list[Judged]]:
    judged: dict[str, list[Judged]] = defaultdict(list)
    for target in bench.targets:
        ways = {
            RUN: (own.of(target), True, TargetEvidence(target.ticks)),
            SIGNED: (own.of(target), False, TargetEvidence(target.ticks)),
            CENTROIDS: (own.of(target), False, TargetEvidence.of(target.signature)),
            DEFAULT_RUN: (default, True, TargetEvidence(target.ticks)),
            DEFAULT_SIGNED: (default, False, TargetEvidence(target.ticks)),
            BLENDED: (blend(default, own.of(target)), True, TargetEvidence(target.ticks)),
        }
        for name, (predictor, run, evidence) in ways.items():
            begun = time.perf_counter()
            one, pairs = _judge_predictor(bench, target, predictor, evidence, run=run)
            results.seconds[name].append(time.perf_counter() - begun)
            judged[name].append(one)
            if plot and name == RUN:
                results.points[bench.name] += pairs
    return judged


def _judge_predictor(
    bench: Bench, target: Target, predictor: Predictor, evidence: TargetEvidence, *, run: bool
) -> tuple[Judged, list[tuple[float, float]]]:
    found = predict(predictor, candidates_of(bench, target, run=run), evidence, bench.workload.metric, explain=False)
    truth = np.array([target.truth[prediction.name] for prediction in found])
    values = np.array([np.nan if p.accuracy is None else p.accuracy for p in found])
    low = np.array([np.nan if p.low is None else p.low for p in found])
    high = np.array([np.nan if p.high is None else p.high for p in found])
    inside = ((low <= truth) & (truth <= high)).astype(float)
    return judge(values, truth, estimates=True, inside=inside), list(zip(values.tolist(), truth.tolist(), strict=True))


def _ablate(benches: dict[str, Bench], gathered: dict[Key, Examples], start: float) -> dict[str, Judged]:
    """Own predictors with candidates run, each without one thing; on workloads where no group is left out."""
    chosen = [bench for bench in benches.values() if not any(target.group for target in bench.targets)]
    variants: dict[str, list[Judged]] = defaultdict(list)
    for bench in chosen:
        full = gathered[bench.name, "outputs"]
        drawn = {"everything": without_groups(full, ())}
        drawn |= {f"without {group}": without_groups(full, columns) for group, columns in GROUPS.items()}
        drawn["without pseudo-targets"] = without_groups(plain(bench.workload, "outputs", 0, SETTINGS), ())
        for name, examples in drawn.items():
            predictor = Predictor({"outputs": fit_form([examples], 0, ABLATED, by_workload=False)}, ())
            ones = [
                _judge_predictor(bench, target, predictor, TargetEvidence(target.ticks), run=True)[0]
                for target in bench.targets
            ]
            # Without pairs to calibrate on there is no interval.
            variants[name].append(replace(mean_judged(ones), coverage=float("nan")))
    _say(start, "ablated")
    return {name: mean_judged(ones) for name, ones in variants.items()}


def _short(judged: Judged) -> str:
    return f"{judged.spearman:.3f} / {judged.regret_1:.3f} / {judged.mae:.3f} / {judged.coverage:.2f}"


def _row(name: str, judged: Judged) -> list[str]:
    return [name, *("" if np.isnan(value) else f"{value:.3f}" for value in asdict(judged).values())]


_HEADING = ("ranked by", "Spearman", "Kendall", "regret@1", "regret@5", "top-1", "MAE", "coverage")


def _ordered(results: Results) -> list[str]:
    return sorted(results.judged, key=lambda name: -results.mean(name).spearman)


def _print(results: Results, ablation: dict[str, Judged], report: Report) -> None:
    names = _ordered(results)
    print("\nMean over workloads\n")
    print_table(_HEADING, [_row(name, results.mean(name)) for name in names])
    for workload in NAMES:
        print(f"\n{workload}\n")
        print_table(_HEADING, [_row(name, results.mean(name, workload)) for name in names])
    if ablation:
        print("\nAblation: own evidence, candidates run; images, sentiment, topics\n")
        print_table(_HEADING, [_row(name, judged) for name, judged in ablation.items()])
    report.figure("mean", {name: _clean(results.mean(name)) for name in names})
    report.figure("by workload", {w: {name: _clean(results.mean(name, w)) for name in names} for w in NAMES})
    report.figure("ablation", {name: _clean(judged) for name, judged in ablation.items()})
    report.figure("seconds a target", {n: round(float(np.mean(s)), 5) for n, s in results.seconds.items() if s})
    differences: dict[str, Any] = {}
    for peer in ("dawid_skene", "nuclear_norm", "adaptivity", "nearest", "peer: RKME-MMD", "oracle: 100 labels"):
        if peer in results.judged:
            found = bootstrap_difference(results.column(RUN, "spearman"), results.column(peer, "spearman"))
            differences[peer] = [round(value, 4) for value in found]
    report.figure("Spearman of the predictor less a peer's: mean, 95 % interval", differences)


def _clean(judged: Judged) -> dict[str, float | None]:
    return {name: None if np.isnan(value) else round(value, 4) for name, value in asdict(judged).items()}


_OURS = (RUN, SIGNED, CENTROIDS, DEFAULT_RUN, DEFAULT_SIGNED, BLENDED)


def _workloads_ahead(results: Results, ours: str) -> int:
    """Workloads on which no way that needs neither labels nor learning has a better Spearman."""
    peers = [n for n in results.judged if n not in _OURS and not n.startswith(("oracle", "ceiling"))]
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


def _write_html(report: Report, results: Results, ablation: dict[str, Judged]) -> None:
    names = _ordered(results)
    shown = {name: results.mean(name).spearman for name in names}
    sections = [
        ("Spearman with the true accuracies, mean over workloads", bars_plot(shown, "Spearman")),
        ("Predicted and true, candidates run, own evidence", scatter_plot(results.points)),
        ("All workloads", table(_HEADING, [_row(name, results.mean(name)) for name in names])),
    ]
    for workload in NAMES:
        rows = [_row(name, results.mean(name, workload)) for name in names]
        sections.append((f"{workload}: {report.figures['claims'][workload]}", table(_HEADING, rows)))
    if ablation:
        sections.append(("Ablation", table(_HEADING, [_row(name, judged) for name, judged in ablation.items()])))
    RESULTS.mkdir(parents=True, exist_ok=True)
    write_report(RESULTS / f"quality{'_quick' if report.quick else ''}.html", sections, report.bars)


if __name__ == "__main__":
    sys.exit(main())

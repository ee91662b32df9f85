"""What the features of pairs are worth: how well labels carry over from task to task, in both spaces and in parts.

    python -m benchmarks.bench_pair_features [--predictor]

Needs the zoo (`python -m examples.zoo build`). What was chosen was chosen by the first table, which looks at source
datasets and validation samples only, each task judged by the others' sources. With --predictor the predictor is fitted
on own evidence without the judged tasks in both spaces, and judged on held-out validation samples and on the targets;
its results are a file of their own.
"""

from __future__ import annotations

import argparse
import os
import sys
from concurrent.futures import ProcessPoolExecutor

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from benchmarks.quality.fits import fit_own
from benchmarks.quality.judging import Judged, mean_judged
from benchmarks.quality.pair_spaces import MEASURES, Features, carry_over, in_space, read_features
from benchmarks.quality.predicting import judge_predictor
from benchmarks.quality.zoo_workloads import Bench, read_bench
from benchmarks.report import Report, print_table
from msearch_accuracy import TargetEvidence
from msearch_accuracy.fitting import FitSettings
from msearch_sketch.featurisers.pairs_similarity_2 import STRETCHES
from msearch_sketch.phrase_comparison import LIKENESSES

OLD, NEW = "pairs-similarity@1", "pairs-similarity@2"
SETTINGS = FitSettings(pseudo_targets=1, trees=20, fold_trees=8, lead_trees=30, jobs=1)
"""Smaller than the product's, the same for both spaces."""

JUDGED = ("spearman", "regret_1", "mae", "coverage")

PARTS = {
    "what is left over": ("leftover", "leftover_more", "worst", "worst_more", "added"),
    "shared words": ("words", "contained", "rest"),
    "letters": ("letters",),
    "head and start": ("head", "start", "tail"),
    "numbers": ("numbers", "number_replaced", "number_added"),
    "length, size, exact": ("length", "size", "exact"),
}


def variants(new: Features) -> dict[str, Features]:
    """The new features without each part, and all with the same stretch."""
    everything = range(len(LIKENESSES))
    mean = float(np.mean(list(STRETCHES.values())))
    found = {f"{NEW}, one stretch": new.scaled(everything, np.array([mean / STRETCHES[n] for n in LIKENESSES]))}
    for part, names in PARTS.items():
        kept = [place for place, name in enumerate(LIKENESSES) if name not in names]
        found[f"{NEW} without {part}"] = new.scaled(kept, np.ones(len(kept)))
    return found


def judge_own(bench: Bench) -> dict[str, Judged]:
    """The predictor on own evidence, by form: mean over targets. It saw no table of the fold of a target's task."""
    own = fit_own(bench, 0, SETTINGS, {})
    found = {}
    for form, run in (("candidates run", True), ("signatures", False)):
        judged = [
            judge_predictor(bench, target, own.of(target), TargetEvidence(target.ticks), run=run)[0]
            for target in bench.targets
        ]
        found[form] = mean_judged(judged)
    return found


def main(arguments: list[str] | None = None) -> int:
    """Runs the benchmark; gives 1 if the new space is behind the old one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--predictor", action="store_true", help="the second table instead of the first")
    predictor = parser.parse_args(arguments).predictor
    bench = read_bench("matching")
    spaces = {name: read_features(bench, name) for name in (OLD, NEW)}
    return judge_predictors(bench, spaces) if predictor else judge_features(bench, spaces)


def judge_features(bench: Bench, spaces: dict[str, Features]) -> int:
    """The first table."""
    report = Report("pair_features")
    carried = {
        name: carry_over(in_space(bench, features, held_out=True))
        for name, features in (spaces | variants(spaces[NEW])).items()
    }
    print_table(["", *MEASURES], [[name, *(f"{v:.3f}" for v in found.values())] for name, found in carried.items()])
    report.figure("labels of other tasks", carried)
    report.figure("microseconds a row", {name: round(one.seconds_a_row * 1e6, 1) for name, one in spaces.items()})
    for measure in ("neighbours F1", "pooled F1"):
        bar = measure.replace(" ", "_").lower()
        report.bar(f"pairs_{bar}", carried[NEW][measure], limit=carried[OLD][measure], more_is_better=True)
    return report.finish()


def judge_predictors(bench: Bench, spaces: dict[str, Features]) -> int:
    """The second table."""
    report = Report("pair_predictor")
    cases = [(where, name) for where in ("targets", "held-out samples") for name in spaces]
    benches = [in_space(bench, spaces[name], held_out=where != "targets") for where, name in cases]
    rows, figures = [], {}
    with ProcessPoolExecutor(2) as pool:
        for (where, name), found in zip(cases, pool.map(judge_own, benches), strict=True):
            for form, judged in found.items():
                case = f"{where}, {form}, {name}"
                figures[case] = {measure: getattr(judged, measure) for measure in JUDGED}
                rows.append([case, *(f"{value:.3f}" for value in figures[case].values())])
                print(*rows[-1], flush=True)
    print()
    print_table(["own predictor", *JUDGED], rows)
    report.figure("own predictor", figures)
    case = "targets, candidates run, "
    behind = figures[case + OLD]["spearman"]
    report.bar("pairs_spearman_run", figures[case + NEW]["spearman"], limit=behind, more_is_better=True)
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())

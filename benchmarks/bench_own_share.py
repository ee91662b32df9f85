"""How much a registry's own evidence should weigh beside the default predictor, by how held-out samples are ordered.

    python -m benchmarks.bench_own_share [--quick]

Needs the zoo (`python -m examples.zoo build`). No target is looked at: labelled samples are cut in two, apart by
people, tasks or documents; the own predictor learns from one part, the default from the other workloads, and both are
judged on the part that is left. What `blend` does by itself is judged beside fixed shares.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict

os.environ.setdefault("OMP_NUM_THREADS", "1")

from benchmarks.quality.fits import QUICK, fit_default, fit_evidence
from benchmarks.quality.held_out import hold_out, judge_held_out
from benchmarks.quality.judging import Judged, mean_judged
from benchmarks.quality.zoo_workloads import NAMES, Bench, read_bench
from benchmarks.report import Report, print_table
from msearch_accuracy import Predictor, blend
from msearch_accuracy.fitting import FitSettings, gather
from msearch_accuracy.predictor import FORMS

SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
BLEND = "as blended"
_JUDGED = ("spearman", "regret_1", "mae", "coverage")

Found = dict[str, dict[str, Judged]]
"""Means over held-out samples by form and share."""


def main() -> int:
    """Runs the benchmark; it has no bar."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="little evidence and few trees; it proves nothing")
    quick = parser.parse_args().quick
    report = Report("own_share", quick)
    settings, seeds = (QUICK, (0,)) if quick else (FitSettings(jobs=1), (0, 1))
    with ProcessPoolExecutor(2) as pool:
        benches = list(pool.map(read_bench, NAMES))
        examples = [pool.submit(gather, bench.workload, 0, settings) for bench in benches]
        drawn = {name: task.result() for name, task in zip(NAMES, examples, strict=True)}
        defaults = [
            pool.submit(fit_default, [name for name in NAMES if name != bench.name], 0, settings, drawn)
            for bench in benches
        ]
        tasks = [
            pool.submit(judge_shares, bench, default.result(), seeds, settings)
            for bench, default in zip(benches, defaults, strict=True)
        ]
        found = {bench.name: task.result() for bench, task in zip(benches, tasks, strict=True)}
    for form in FORMS:
        print(f"\n{form}: Spearman by workload, and means\n")
        rows = []
        for share in found[NAMES[0]][form]:
            ones = [found[name][form][share] for name in NAMES]
            mean = mean_judged(ones)
            cells = (*(one.spearman for one in ones), *(getattr(mean, measure) for measure in _JUDGED))
            rows.append([share, *(f"{value:.3f}" for value in cells)])
        print_table(["own share", *NAMES, *_JUDGED], rows)
    report.figure(
        "by workload, form and share",
        {
            name: {form: {share: asdict(one) for share, one in shares.items()} for form, shares in forms.items()}
            for name, forms in found.items()
        },
    )
    return report.finish()


def judge_shares(bench: Bench, default: Predictor, seeds: tuple[int, ...], settings: FitSettings) -> Found:
    """Judges every share on every held-out sample of a workload."""
    judged: dict[str, dict[str, list[Judged]]] = {form: defaultdict(list) for form in FORMS}
    for seed in seeds:
        for held in hold_out(bench, seed):
            own = fit_evidence(held.learned, gather(held.learned, seed, settings), seed, settings)
            ways = {f"{share:.2f}": _weighed(default, own, share) for share in SHARES} | {BLEND: blend(default, own)}
            for sample, models in held.judged:
                for form in FORMS:
                    for name, predictor in ways.items():
                        one = judge_held_out(predictor, bench, sample, models, run=form == "outputs")
                        judged[form][name].append(one)
    return {form: {name: mean_judged(ones) for name, ones in shares.items()} for form, shares in judged.items()}


def _weighed(default: Predictor, own: Predictor, share: float) -> Predictor:
    """Both mixed with a share of one's choice."""
    if share in (0.0, 1.0):
        return own if share else default
    return blend(default, own, share=share)


if __name__ == "__main__":
    sys.exit(main())

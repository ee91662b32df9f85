"""How often a drift is found where there is one, and said where there is none: on the zoo's targets.

    python -m benchmarks.bench_drift

No drift: random halves of every target. Drift: every image target against the clean one of its domain (corrupted, or
fewer classes), and every target of the other workloads against the first of its workload (another person, site, genre
or task). Each by rows and by signatures.
"""

from __future__ import annotations

import os
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from benchmarks.quality.zoo_workloads import NAMES, Bench, Target, Ticks, read_bench
from benchmarks.report import Report, print_table
from msearch_sketch.drift import Drift, compare_rows, compare_signatures
from msearch_sketch.labelled_points import LabelledPoints
from msearch_sketch.signature import Signature
from msearch_sketch.sketcher import Sketcher
from msearch_sketch.spaces import FeatureSpace

SPLITS = 4
ALPHA = 0.01
KINDS = ("no drift", "image corrupted", "fewer classes", "another source")
WORDS = ("NONE", "SLIGHT", "MOVED")


def _signature(ticks: Ticks, space: FeatureSpace) -> Signature:
    sketcher = Sketcher(space)
    sketcher.add(ticks)
    return sketcher.signature()


def compare(target: Ticks, base: Ticks, space: FeatureSpace, seed: int) -> tuple[Drift, Drift]:
    """By rows and by signatures."""
    signatures = _signature(target, space), _signature(base, space)
    points = [LabelledPoints(ticks, np.arange(len(ticks))) for ticks in (target, base)]
    by_rows = compare_rows(points[0], points[1], signatures, alpha=ALPHA, permutations=199, seed=seed)
    return by_rows, compare_signatures(*signatures, alpha=ALPHA)


def pairs(bench: Bench) -> Iterator[tuple[str, Target, Target]]:
    """Kinds of drift, with the target and its base."""
    if bench.name != "images":
        for target in bench.targets[1:]:
            yield "another source", target, bench.targets[0]
        return
    by_name = {target.name: target for target in bench.targets}
    for target in bench.targets:
        domain, _, change = target.name.partition("-")
        if change and domain in by_name:
            yield "fewer classes" if change.isdigit() else "image corrupted", target, by_name[domain]


def judge_workload(name: str) -> dict[tuple[str, str], Counter[str]]:
    """How often each verdict was given for a workload, by kind of drift and basis."""
    told: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    bench = read_bench(name)
    for number, target in enumerate(bench.targets):
        for split in range(SPLITS):
            order = np.random.default_rng([number, split]).permutation(len(target.ticks))
            half = len(order) // 2
            for drift in compare(target.ticks[order[:half]], target.ticks[order[half:]], bench.space, split):
                told["no drift", drift.basis][drift.verdict] += 1
    for kind, target, base in pairs(bench):
        for drift in compare(target.ticks, base.ticks, bench.space, 0):
            told[kind, drift.basis][drift.verdict] += 1
    print(f"{name} done", flush=True)
    return told


def main(_arguments: Sequence[str] | None = None) -> int:
    """Runs the benchmark; gives 1 if false alarms are more frequent than they may be."""
    report = Report("drift")
    start = time.monotonic()
    told: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    with ProcessPoolExecutor(2) as pool:
        for found in pool.map(judge_workload, NAMES):
            for key, words in found.items():
                told[key] += words
    rows = []
    for kind in KINDS:
        for basis in ("rows", "signatures"):
            found_words = told[kind, basis]
            total = max(sum(found_words.values()), 1)
            rows.append([f"{kind}, by {basis}", str(total), *(f"{found_words[word] / total:.3f}" for word in WORDS)])
            report.figure(f"{kind}, by {basis}", {word: found_words[word] for word in WORDS})
    print_table(["", "pairs", *WORDS], rows)
    for basis in ("rows", "signatures"):
        splits = told["no drift", basis]
        alarms = 1 - splits["NONE"] / max(sum(splits.values()), 1)
        # Three standard errors of the level over these splits: a sound test is seldom above.
        allowed = ALPHA + 3 * float(np.sqrt(ALPHA * (1 - ALPHA) / max(sum(splits.values()), 1)))
        report.bar(f"drift_false_alarms_by_{basis}", alarms, limit=allowed)
        corrupted = told["image corrupted", basis]
        share = corrupted["MOVED"] / max(sum(corrupted.values()), 1)
        report.bar(f"drift_corruptions_moved_by_{basis}", share, limit=0.9, more_is_better=True)
    report.figure("seconds of the whole run", round(time.monotonic() - start, 1))
    print(f"{time.monotonic() - start:.0f} s")
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())

"""Fits the predictors for one workload and seed, and judges them on its targets; one process each."""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass, field, replace

from benchmarks.quality.fits import Gathered, fit_default, fit_own
from benchmarks.quality.judging import Judged
from benchmarks.quality.predicting import judge_predictor
from benchmarks.quality.zoo_workloads import Bench
from msearch_accuracy import TargetEvidence, blend
from msearch_accuracy.fitting import FitSettings

RUN, SIGNED = "predictor, candidates run", "predictor, signatures only"
CENTROIDS = "predictor, signatures only, target as centroids"
DEFAULT_RUN, DEFAULT_SIGNED = (
    "default of other workloads, candidates run",
    "default of other workloads, signatures only",
)
BLENDED = "default and own mixed, candidates run"
OURS = (RUN, SIGNED, CENTROIDS, DEFAULT_RUN, DEFAULT_SIGNED, BLENDED)


@dataclass(slots=True)
class Learned:
    """One judgement and time a target, by predictor; and (predicted, true) of all candidates that were run."""

    judged: dict[str, list[Judged]] = field(default_factory=lambda: defaultdict(list))
    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    points: list[tuple[float, float]] = field(default_factory=list)


def judge_learned(bench: Bench, seed: int, settings: FitSettings, gathered: Gathered, others: list[str]) -> Learned:
    """Judges own predictors; and the default of the `others`, if any are named.

    `gathered` holds the examples of the workload, and of the others.
    """
    alone = replace(settings, jobs=1)
    own = fit_own(bench, seed, alone, gathered)
    default = fit_default(others, seed, alone, gathered) if others else None
    found = Learned()
    for target in bench.targets:
        rows, centroids = TargetEvidence(target.ticks), TargetEvidence.of(target.signature)
        ways = {
            RUN: (own.of(target), True, rows),
            SIGNED: (own.of(target), False, rows),
            CENTROIDS: (own.of(target), False, centroids),
        }
        if default is not None:
            ways |= {
                DEFAULT_RUN: (default, True, rows),
                DEFAULT_SIGNED: (default, False, rows),
                BLENDED: (blend(default, own.of(target)), True, rows),
            }
        for name, (predictor, run, evidence) in ways.items():
            begun = time.perf_counter()
            judged, pairs = judge_predictor(bench, target, predictor, evidence, run=run)
            found.seconds[name].append(time.perf_counter() - begun)
            found.judged[name].append(judged)
            if name == RUN:
                found.points += pairs
    return found

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
OWN_RUN, OWN_SIGNED = "own evidence alone, candidates run", "own evidence alone, signatures only"
DEFAULT_RUN, DEFAULT_SIGNED = (
    "default of other workloads, candidates run",
    "default of other workloads, signatures only",
)
OURS = (RUN, SIGNED, CENTROIDS, OWN_RUN, OWN_SIGNED, DEFAULT_RUN, DEFAULT_SIGNED)


@dataclass(slots=True)
class Learned:
    """One judgement and time a target, by predictor; and (predicted, true) of all candidates that were run."""

    judged: dict[str, list[Judged]] = field(default_factory=lambda: defaultdict(list))
    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    points: list[tuple[float, float]] = field(default_factory=list)


def judge_learned(bench: Bench, seed: int, settings: FitSettings, gathered: Gathered) -> Learned:
    """Judges the predictors that a registry goes through.

    At first the default, here of the other workloads; then that mixed with one fitted on the registry's own evidence,
    as the service does it; and, for comparison, the own one by itself.

    Args:
        bench: the workload.
        seed: of the fits.
        settings: of the fits; each takes one core.
        gathered: examples of all workloads.
    """
    alone = replace(settings, jobs=1)
    own = fit_own(bench, seed, alone, gathered)
    default = fit_default([name for name in gathered if name != bench.name], seed, alone, gathered)
    found = Learned()
    for target in bench.targets:
        rows, centroids = TargetEvidence(target.ticks), TargetEvidence.of(target.signature)
        mixed = blend(default, own.of(target))
        ways = {
            RUN: (mixed, True, rows),
            SIGNED: (mixed, False, rows),
            CENTROIDS: (mixed, False, centroids),
            OWN_RUN: (own.of(target), True, rows),
            OWN_SIGNED: (own.of(target), False, rows),
            DEFAULT_RUN: (default, True, rows),
            DEFAULT_SIGNED: (default, False, rows),
        }
        for name, (predictor, run, evidence) in ways.items():
            begun = time.perf_counter()
            judged, pairs = judge_predictor(bench, target, predictor, evidence, run=run)
            found.seconds[name].append(time.perf_counter() - begun)
            found.judged[name].append(judged)
            if name == RUN:
                found.points += pairs
    return found

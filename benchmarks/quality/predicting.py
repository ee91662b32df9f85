"""Judges a predictor on one target."""

from __future__ import annotations

import numpy as np

from benchmarks.quality.judging import Judged, judge
from benchmarks.quality.rankings import candidates_of
from benchmarks.quality.zoo_workloads import Bench, Target
from msearch_accuracy import Predictor, TargetEvidence, predict


def judge_predictor(
    bench: Bench, target: Target, predictor: Predictor, evidence: TargetEvidence, *, run: bool
) -> tuple[Judged, list[tuple[float, float]]]:
    """Quality of a predictor's answer for a target, and (predicted, true) of each candidate."""
    found = predict(predictor, candidates_of(bench, target, run=run), evidence, bench.workload.metric, explain=False)
    truth = np.array([target.truth[prediction.name] for prediction in found])
    values = np.array([np.nan if p.accuracy is None else p.accuracy for p in found])
    low = np.array([np.nan if p.low is None else p.low for p in found])
    high = np.array([np.nan if p.high is None else p.high for p in found])
    inside = ((low <= truth) & (truth <= high)).astype(float)
    return judge(values, truth, estimates=True, inside=inside), list(zip(values.tolist(), truth.tolist(), strict=True))

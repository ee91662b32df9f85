"""Judges a predictor on one target."""

from __future__ import annotations

import numpy as np

from benchmarks.quality.judging import Judged, judge_predictions
from benchmarks.quality.rankings import candidates_of
from benchmarks.quality.zoo_workloads import Bench, Target
from msearch_accuracy import Predictor, TargetEvidence, predict


def judge_predictor(
    bench: Bench, target: Target, predictor: Predictor, evidence: TargetEvidence, *, run: bool
) -> tuple[Judged, list[tuple[float, float]]]:
    """Quality of a predictor's answer for a target, and (predicted, true) of each candidate."""
    found = predict(predictor, candidates_of(bench, target, run=run), evidence, bench.workload.metric, explain=False)
    truth = [target.truth[prediction.name] for prediction in found]
    predicted = [float("nan") if prediction.accuracy is None else prediction.accuracy for prediction in found]
    return judge_predictions(found, np.array(truth)), list(zip(predicted, truth, strict=True))

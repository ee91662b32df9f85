"""What scores and predictor cost beyond running the candidates, in seconds of one core.

The processor time of one thread is taken, so that other work on the machine does not count.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from benchmarks.quality.rankings import candidates_of
from benchmarks.quality.zoo_workloads import Bench
from msearch_accuracy import Predictor, TargetEvidence, predict
from msearch_accuracy.behaviour import Behaviour, find_behaviour_scores
from msearch_accuracy.evidence import CandidateEvidence
from msearch_accuracy.problem import pose

_RUN, _ROWS, _MANY = 10, 500, 1_000


def measure_speed(bench: Bench, predictor: Predictor) -> dict[str, float]:
    """Median core seconds of both forms, at the sizes of their bars."""
    target = bench.targets[0]
    random = np.random.default_rng(0)
    rows = random.integers(0, len(target.ticks), _ROWS)
    evidence = TargetEvidence(target.ticks[rows])
    few = [
        replace(c, probabilities=c.probabilities[rows])
        for c in candidates_of(bench, target, run=True)
        if c.probabilities is not None
    ][:_RUN]
    scores = list(find_behaviour_scores().values())

    def behave_and_predict() -> None:
        votes = pose(few, evidence, run=True)
        for place, candidate in enumerate(few):
            if candidate.probabilities is None:
                continue
            behaviour = Behaviour(
                probabilities=candidate.probabilities,
                validation=bench.validations[candidate.name],
                prior=bench.priors[candidate.name],
                votes=votes.votes,
                place=place,
                union=len(votes.classes),
            )
            for score in scores:
                score.compute(behaviour)
        predict(predictor, few, evidence)

    sources = [model for model in bench.workload.models if model.source is not None]
    many = [
        CandidateEvidence(f"{model.name}-{copy}", model.classes, None, _copy(model.source, copy), model.accuracy)
        for copy in range(-(-_MANY // len(sources)))
        for model in sources
    ][:_MANY]
    centroids = TargetEvidence.of(target.signature)
    return {
        "10 candidates x 500 rows, s": _core_seconds(behave_and_predict, 7),
        "1,000 candidates by signature, s": _core_seconds(lambda: predict(predictor, many, centroids), 5),
    }


def _core_seconds(action: Callable[[], object], times: int) -> float:
    """Median processor time after one call that does not count."""
    action()
    seconds = []
    for _ in range(times):
        start = time.thread_time()
        action()
        seconds.append(time.thread_time() - start)
    return statistics.median(seconds)


def _copy(source: object, copy: int) -> object:
    return replace(source, name=f"{source.name}-{copy}")  # type: ignore[type-var,attr-defined]

"""How long a measurement that nobody made yet will take: for estimates of job sizes."""

from __future__ import annotations

from msearch_deployment.latency.evidence import Case
from msearch_deployment.latency.predicting import LatencyPredictor


def run_seconds(predictor: LatencyPredictor, case: Case, *, min_duration_s: float, min_queries: int) -> float:
    """Seconds that one run in a closed loop takes: it lasts the least duration and the least number of queries.

    Raises:
        Unpredictable: the evidence does not tell.
    """
    return max(min_duration_s, min_queries * predictor.predict(case).latency_ms / 1e3)

"""Latency of what was not measured, from FLOPs, bytes, operators and the host's roofline.

docs/latency-prediction.md describes it.
"""

from __future__ import annotations

from msearch_deployment.latency.evidence import Case, Machine, Observation, Work
from msearch_deployment.latency.predicting import (
    COVERAGE,
    ENOUGH_HOSTS,
    ENOUGH_MODELS,
    LatencyPredictor,
    Predicted,
    Unpredictable,
)
from msearch_deployment.latency.run_length import run_seconds

__all__ = [
    "COVERAGE",
    "ENOUGH_HOSTS",
    "ENOUGH_MODELS",
    "Case",
    "LatencyPredictor",
    "Machine",
    "Observation",
    "Predicted",
    "Unpredictable",
    "Work",
    "run_seconds",
]

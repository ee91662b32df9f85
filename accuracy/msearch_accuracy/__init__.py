"""How accurate is a model on data without labels: behaviour scores and the accuracy predictor. Pure.

docs/predictor.md and docs/behaviour-scores.md describe both.
"""

from __future__ import annotations

from msearch_accuracy.errors import AccuracyError, LabelSpaceError
from msearch_accuracy.evidence import CandidateEvidence, Coreset, TargetEvidence, Validation
from msearch_accuracy.metrics import Metric
from msearch_accuracy.predictor import FormPredictor, Prediction, Predictor, blend, predict
from msearch_accuracy.shipped import default_predictor

__all__ = [
    "AccuracyError",
    "CandidateEvidence",
    "Coreset",
    "FormPredictor",
    "LabelSpaceError",
    "Metric",
    "Prediction",
    "Predictor",
    "TargetEvidence",
    "Validation",
    "blend",
    "default_predictor",
    "predict",
]

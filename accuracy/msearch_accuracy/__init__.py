"""How accurate is a model on data without labels, or with a few: behaviour scores, the accuracy predictor. Pure.

docs/predictor.md, docs/behaviour-scores.md and docs/few-labels.md describe them.
"""

from __future__ import annotations

from msearch_accuracy.errors import AccuracyError, LabelSpaceError
from msearch_accuracy.evidence import CandidateEvidence, Coreset, TargetEvidence, Validation
from msearch_accuracy.few_labels import NO_CLASS, Labelling, Standing, Verdict
from msearch_accuracy.metrics import Metric
from msearch_accuracy.predicting import Prediction, predict
from msearch_accuracy.predictor import FormPredictor, Predictor, blend
from msearch_accuracy.shipped import default_predictor

__all__ = [
    "NO_CLASS",
    "AccuracyError",
    "CandidateEvidence",
    "Coreset",
    "FormPredictor",
    "LabelSpaceError",
    "Labelling",
    "Metric",
    "Prediction",
    "Predictor",
    "Standing",
    "TargetEvidence",
    "Validation",
    "Verdict",
    "blend",
    "default_predictor",
    "predict",
]

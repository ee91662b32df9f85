"""Accuracy of the model on its own held-out data: as measured, or as the signature says, else as claimed.

It says nothing of the target, and alone it ranks no better than chance; it is there as evidence and for comparison.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from msearch_sketch.signature import Signature
from search_service.domain.ranking import ScoreInfo, ScoreValues, Source
from search_service.scores._definition import FunctionScore, with_gaps

INFO = ScoreInfo(
    name="source_accuracy",
    summary="Accuracy on the source's own validation rows, or what its owner claims.",
    formula="validation accuracy if measured, else claimed accuracy",
    source="the model's owner",
    support_unit="validation rows (0 for a claim)",
    lowest=0.0,
    highest=1.0,
)


def _compute(_target: Signature, sources: Sequence[Source]) -> ScoreValues:
    measured = [source.validation or source.signature.validation for source in sources]
    values = [
        source.claimed_accuracy if validation is None else validation.accuracy
        for source, validation in zip(sources, measured, strict=True)
    ]
    support = [0 if validation is None else validation.count for validation in measured]
    missing = np.array([value is None for value in values])
    return with_gaps(np.array(values, np.float64), support, (missing, "neither validation rows nor a claimed accuracy"))


SCORE = FunctionScore(INFO, _compute)

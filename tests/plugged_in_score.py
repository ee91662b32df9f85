"""A score as someone else would write it, for the tests of discovery."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from msearch_sketch.signature import Signature
from msearch_sketch.spaces import FeatureSpace
from search_service.domain.ranking import ScoreInfo, ScoreValues, Source


class RowRatio:
    info = ScoreInfo(
        name="row_ratio",
        summary="Source rows over target rows.",
        formula="|S| / |T|",
        source="a test",
        support_unit="source rows",
        lowest=0.0,
        highest=None,
        self_value=1.0,
    )

    def compute(self, target: Signature, sources: Sequence[Source], space: FeatureSpace) -> ScoreValues:
        rows = np.array([source.signature.row_count for source in sources], np.float64)
        return ScoreValues(rows / target.row_count, rows, {})


SCORE = RowRatio()

"""pairs-similarity@1: how similar the two records of a pair are, whatever their attributes.

Attributes are aligned by name: columns left_X and right_X, or the fields X of two structs. Each attribute that both
records have gives the similarities of `text_similarity`; numbers are compared through their decimal text. Aggregates
over the attributes (mean, smallest, largest, second largest) forget which attribute was which, so tasks with other
attributes compare, and swapping the sides changes nothing. Added are the similarities of the records as bags of words
and the shares of attributes that one or both records lack.

The space is fixed: similarities in [0, 1] are centred on 1/2 and stretched to +-1.5 units.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from msearch_sketch.errors import SpaceError
from msearch_sketch.featurisers.base import Columns, FeatureBatch, to_ticks
from msearch_sketch.record_pairs import read_pairs
from msearch_sketch.spaces import FeatureSpace, FourierFeatures, HashFamily
from msearch_sketch.text_similarity import (
    SIMILARITIES,
    SIMILARITY_ONE,
    TextProfile,
    compare_texts,
    compare_tokens,
    profile_text,
)

AGGREGATES = ("mean", "smallest", "largest", "second")
FEATURE_NAMES = (
    *(f"{similarity}_{aggregate}" for aggregate in AGGREGATES for similarity in SIMILARITIES),
    "record_tokens",
    "record_long_tokens",
    "record_overlap",
    "one_missing",
    "both_missing",
)
UNITS_PER_SIMILARITY = 3.0

_SPACE = FeatureSpace(
    modality="pairs",
    featuriser="pairs-similarity@1",
    dimension=len(FEATURE_NAMES),
    hashing=HashFamily(widths_ticks=(1024, 2048, 4096, 8192)),
    fourier=FourierFeatures(bandwidth_ticks=6144),
)


class PairsSimilarity:
    """See the module's text."""

    name = "pairs-similarity"
    version = 1
    modality = "pairs"

    def fixed_space(self, columns: Columns) -> FeatureSpace | None:  # noqa: ARG002
        """The one space of all pairs."""
        return _SPACE

    def fit_space(self, columns: Columns, batches: Iterable[pa.RecordBatch]) -> FeatureSpace:  # noqa: ARG002
        """Always raises: the space is fixed."""
        raise SpaceError("the space of pairs-similarity is fixed, there is nothing to fit")

    def transform(self, batch: pa.RecordBatch, columns: Columns, space: FeatureSpace) -> FeatureBatch:  # noqa: ARG002
        """See `Featuriser.transform`. Rows in which both records are blank are skipped."""
        features, kept = compare_records(batch, columns)
        skipped = np.flatnonzero(~kept)
        problem = f"row {skipped[0]} of the batch: both records are blank" if skipped.size else ""
        return FeatureBatch(to_ticks((features[kept] - 0.5) * UNITS_PER_SIMILARITY), kept, problem)


FEATURISER = PairsSimilarity()
DEFAULT = True


def compare_records(batch: pa.RecordBatch, columns: Columns) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Features in [0, 1], in the order of `FEATURE_NAMES` [n, 53], and which rows have any value [n].

    A model of pairs takes them as its input; the ticks of the featuriser are (feature - 1/2) times 3 x 1024, rounded.
    Rows without any value hold 1/2 everywhere.

    Raises:
        SpaceError: the columns are not pairs.
        DatasetError: the two records have no attribute in common.
    """
    features = np.full((batch.num_rows, len(FEATURE_NAMES)), 0.5)
    kept = np.zeros(batch.num_rows, np.bool_)
    for row, record in enumerate(read_pairs(batch, columns, profile_text)):
        if any(left or right for left, right in record):
            kept[row] = True
            features[row] = _describe_pair(record)
    return features, kept


def _describe_pair(record: list[tuple[TextProfile | None, TextProfile | None]]) -> list[float]:
    compared = [compare_texts(left, right) for left, right in record if left and right]
    lacking = [bool(left) + bool(right) for left, right in record]
    columns = [sorted(values) for values in zip(*compared, strict=True)] or [[0]] * len(SIMILARITIES)
    aggregates = [
        *(sum(values) / len(values) for values in columns),
        *(values[0] for values in columns),
        *(values[-1] for values in columns),
        *(values[max(len(values) - 2, 0)] for values in columns),
    ]
    left_tokens = frozenset().union(*(left.tokens for left, _ in record if left))
    right_tokens = frozenset().union(*(right.tokens for _, right in record if right))
    ratios = [value / SIMILARITY_ONE for value in (*aggregates, *compare_tokens(left_tokens, right_tokens))]
    return [*ratios, lacking.count(1) / len(record), lacking.count(0) / len(record)]

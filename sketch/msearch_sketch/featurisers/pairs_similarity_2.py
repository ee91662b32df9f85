"""pairs-similarity@2: in what the two records of a pair differ, whatever their attributes.

Attributes are aligned by name: columns left_X and right_X, or the fields X of two structs. Each attribute that both
records have gives the likenesses of `phrase_comparison`; the features are their means over the attributes, but for
those that tell of what is left over on either side: there the attribute that differs most decides. So a task of one
attribute compares with one of many, and swapping the sides or renaming attributes changes nothing.

The space is fixed: a likeness of 1/2 is at 0, and each has a stretch. Stretches follow, in few steps, how well a
likeness tells matches from others by one bound in all source datasets of the example zoo.
`python -m benchmarks.bench_pair_features` measures what each is worth.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pyarrow as pa

from msearch_sketch.errors import SpaceError
from msearch_sketch.featurisers.base import Columns, FeatureBatch, to_ticks
from msearch_sketch.phrase_comparison import LIKENESSES, compare_phrases
from msearch_sketch.phrases import Phrase, read_phrase
from msearch_sketch.record_pairs import read_pairs
from msearch_sketch.spaces import FeatureSpace, FourierFeatures, HashFamily
from msearch_sketch.text_similarity import SIMILARITY_ONE

_STRONG, _MEDIUM, _WEAK = 4.0, 2.5, 1.25
STRETCHES = {
    "leftover": 6.0,
    "leftover_more": _STRONG,
    "worst": _STRONG,
    "worst_more": _MEDIUM,
    "letters": _STRONG,
    "words": _STRONG,
    "contained": _STRONG,
    "added": _MEDIUM,
    "rest": _STRONG,
    "head": _STRONG,
    "start": _STRONG,
    "numbers": _MEDIUM,
    "number_replaced": _MEDIUM,
    "number_added": _WEAK,
    "length": _WEAK,
    "size": _MEDIUM,
    "exact": _MEDIUM,
    "tail": _WEAK,
}
"""Units between a likeness of 0 and of 1."""

_UNITS = np.array([STRETCHES[name] for name in LIKENESSES])
_DECIDED_BY_LEAST = frozenset({"leftover_more", "worst_more", "number_replaced"})
_SPACE = FeatureSpace(
    modality="pairs",
    featuriser="pairs-similarity@2",
    dimension=len(LIKENESSES),
    hashing=HashFamily(widths_ticks=(1024, 2048, 4096, 8192)),
    fourier=FourierFeatures(bandwidth_ticks=6144),
)


class PairsSimilarity:
    """See the module's text."""

    name = "pairs-similarity"
    version = 2
    modality = "pairs"

    def fixed_space(self, columns: Columns) -> FeatureSpace | None:  # noqa: ARG002
        """The one space of all pairs."""
        return _SPACE

    def fit_space(self, columns: Columns, batches: Iterable[pa.RecordBatch]) -> FeatureSpace:  # noqa: ARG002
        """Always raises: the space is fixed."""
        raise SpaceError("the space of pairs-similarity is fixed, there is nothing to fit")

    def transform(self, batch: pa.RecordBatch, columns: Columns, space: FeatureSpace) -> FeatureBatch:  # noqa: ARG002
        """See `Featuriser.transform`. Rows in which both records are blank are skipped."""
        records = read_pairs(batch, columns, read_phrase)
        kept = np.array([any(left or right for left, right in record) for record in records], np.bool_)
        described = [_describe_pair(record) for record, has_any in zip(records, kept, strict=True) if has_any]
        features = np.array(described, np.float64).reshape(-1, len(LIKENESSES))
        skipped = np.flatnonzero(~kept)
        problem = f"row {skipped[0]} of the batch: both records are blank" if skipped.size else ""
        return FeatureBatch(to_ticks((features - 0.5) * _UNITS), kept, problem)


FEATURISER = PairsSimilarity()
DEFAULT = False  # estimates are nearer to the truth, but the order of candidates is no better: docs/pairs.md


def _describe_pair(record: list[tuple[Phrase | None, Phrase | None]]) -> list[float]:
    """The features of a pair in the order of `LIKENESSES`, in [0, 1]; sums of whole numbers are exact in any order."""
    compared = [compare_phrases(left, right) for left, right in record if left and right]
    # Records without a common value are as unlike as can be.
    columns = list(zip(*compared, strict=True)) or [(0,)] * len(LIKENESSES)
    return [
        (min(values) if name in _DECIDED_BY_LEAST else sum(values) / len(values)) / SIMILARITY_ONE
        for name, values in zip(LIKENESSES, columns, strict=True)
    ]

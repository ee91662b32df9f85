"""How the built-in scores are written down: an info and a function over checked sources."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from msearch_sketch.errors import SignatureError
from msearch_sketch.signature import Signature
from msearch_sketch.spaces import FeatureSpace
from search_service.domain.ranking import ScoreInfo, ScoreValues, Source


@dataclass(frozen=True, slots=True)
class FunctionScore:
    """A score whose values a function computes; implements `domain.ranking.Score`."""

    info: ScoreInfo
    function: Callable[[Signature, Sequence[Source]], ScoreValues]

    def compute(self, target: Signature, sources: Sequence[Source], space: FeatureSpace) -> ScoreValues:
        """Values for all sources.

        Raises:
            SignatureError: the target or a source is not of this space.
        """
        for name, signature in (("target", target), *((f"source {i}", s.signature) for i, s in enumerate(sources))):
            if signature.space_digest != space.digest:
                raise SignatureError(
                    f"the {name} is of space {signature.space_digest[:12]}, not {space.digest[:12]}: "
                    f"{self.info.name} compares within one space only"
                )
        if not sources:
            return ScoreValues(np.empty(0), np.empty(0), {})
        return self.function(target, sources)


def with_gaps(values: ArrayLike, support: ArrayLike, *gaps: tuple[NDArray[np.bool_], str]) -> ScoreValues:
    """Values with NaN, no support and a reason at the gaps, each a mask [n] and why; the first that holds gives it."""
    kept = np.array(values, np.float64)
    supports = np.array(support, np.float64)
    details: dict[int, str] = {}
    for mask, reason in gaps:
        for position in np.flatnonzero(mask).tolist():
            details.setdefault(position, reason)
        kept[mask] = np.nan
        supports[mask] = 0.0
    return ScoreValues(kept, supports, details)


def row_counts(sources: Sequence[Source]) -> NDArray[np.float64]:
    """Rows of each source. [n]"""
    return np.array([source.signature.row_count for source in sources], np.float64)


def means(signatures: Sequence[Signature]) -> NDArray[np.float64]:
    """Means of the features, in ticks. [n, d]"""
    sums = np.stack([signature.sums for signature in signatures])
    averages: NDArray[np.float64] = sums / np.array([signature.row_count for signature in signatures])[:, None]
    return averages

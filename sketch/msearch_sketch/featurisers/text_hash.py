"""Texts: words and character trigrams, hashed, counted and projected. `text_words` is the default for new data.

Words and trigrams of characters (spaces included, so that word starts and ends show) are counted together in signed
hash buckets and projected on random signs. The result is scaled to a fixed length, whatever the text's. Everything up
to the length of the vector is integer arithmetic.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from msearch_sketch.errors import SpaceError
from msearch_sketch.featurisers.base import Columns, FeatureBatch, Featuriser, to_ticks
from msearch_sketch.hashed_counts import project_counts
from msearch_sketch.spaces import FeatureSpace, FourierFeatures, HashFamily, Partitioning
from msearch_sketch.text_tokens import find_trigrams, find_words, read_characters, read_texts

DIMENSION = 64

# Chosen on texts of four domains: trigrams alone, n-grams of 3 to 5, and other weights all mix the domains more.
_GRAM_WEIGHT, _WORD_WEIGHT = 1, 6
_LENGTH_UNITS = 2.0
_TEXTS_AT_ONCE = 64  # keeps the table of counts in the processor's cache


class TextHash:
    """64 features of a text; their length is 2 units, so the distance shows the angle alone."""

    name = "text-hash"
    version = 1
    modality = "text"

    def fixed_space(self, columns: Columns) -> FeatureSpace:  # noqa: ARG002 - the same for all texts
        return FeatureSpace(
            modality="text",
            featuriser=f"{self.name}@{self.version}",
            dimension=DIMENSION,
            # Measured on texts of four domains: rows lie about 2.7 units apart, nearest neighbours 2, and coverage by
            # another part of the same domain is 0.05, 0.44, 0.9, 0.98.
            hashing=HashFamily(projections=4, widths_ticks=(512, 1024, 2048, 4096)),
            fourier=FourierFeatures(bandwidth_ticks=2048),
            partitioning=Partitioning(low_ticks=-1024, high_ticks=1024),
        )

    def fit_space(self, columns: Columns, batches: object) -> FeatureSpace:  # noqa: ARG002
        raise SpaceError("the space of texts is not fitted: the same space serves all of them")

    def transform(self, batch: pa.RecordBatch, columns: Columns, space: FeatureSpace) -> FeatureBatch:
        texts = read_texts(batch.column(columns.names[0]), columns.names[0])
        parts = [_project(texts[at : at + _TEXTS_AT_ONCE]) for at in range(0, len(texts), _TEXTS_AT_ONCE)]
        sums = np.concatenate(parts) if parts else np.zeros((0, space.dimension))
        squares = np.einsum("nd,nd->n", sums, sums)
        kept = squares > 0
        features = _LENGTH_UNITS * sums[kept] / np.sqrt(squares[kept])[:, None]
        return FeatureBatch(to_ticks(features), kept, "" if kept.all() else "the text is missing, blank or not UTF-8")


def _project(texts: Sequence[str | None]) -> NDArray[np.float64]:
    """Unscaled features, integers; zeros for a blank text. [n, 64]"""
    characters = read_characters(texts)
    grams, words = find_trigrams(characters), find_words(characters)
    return project_counts(
        np.concatenate([grams.hashes, words.hashes]),
        np.concatenate([grams.owners, words.owners]),
        np.repeat([_GRAM_WEIGHT, _WORD_WEIGHT], [len(grams.hashes), len(words.hashes)]),
        len(texts),
        DIMENSION,
    )


FEATURISER: Featuriser = TextHash()

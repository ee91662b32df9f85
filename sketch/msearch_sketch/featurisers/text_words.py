"""Texts: what their words mean, how they are written, and whether they praise or blame.

*Meaning*, 32 features: the sum of the vectors of the words in a table that ships with the package (`word_table`). A
word that is not there, and so every word of another language, has a random vector of itself and of its trigrams, as in
`text_hash`, so that related words are near. The sum is scaled to a fixed length, whatever the text's.

*Style*, 29 features: rates of word classes, endings and marks, and lengths (`text_style`).

*Valence*, 3 features: shares of words of praise and of blame and their balance. Within three words after a negation
they count for the opposite, a little weaker (as in VADER; Hutto & Gilbert 2014).

Everything up to a last division and square root is integer arithmetic; IEEE 754 fixes those to the last bit.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from msearch_sketch.errors import SpaceError
from msearch_sketch.featurisers.base import Columns, FeatureBatch, Featuriser, to_ticks
from msearch_sketch.hashed_counts import project_counts
from msearch_sketch.spaces import (
    CLIP_TICKS,
    TICKS_PER_UNIT,
    FeatureSpace,
    FourierFeatures,
    HashFamily,
    Partitioning,
)
from msearch_sketch.text_style import STYLES, measure_style
from msearch_sketch.text_tokens import (
    Characters,
    Words,
    find_trigrams,
    find_words,
    hash_words,
    read_characters,
    read_texts,
)
from msearch_sketch.word_classes import WORD_CLASSES
from msearch_sketch.word_table import WordTable, look_up, word_table

DEFAULT = True

MEANINGS = 32
VALENCES = 3
DIMENSION = MEANINGS + len(STYLES) + VALENCES

# Chosen on sources and validation samples of the example zoo (docs/text-features.md), in ticks.
_WEIGHTS = {"meaning": 2048, "style": 2048, "valence": 1024}

_GRAM_WEIGHT, _WORD_WEIGHT = 1, 6
# A word's vector in the table is about 80 long, a random one 350: unknown words count less than half of known ones.
# Sums stay below 2^23, so float64 holds their squares' sum exactly: at most 5,000 words of 127 each, and LARGEST_SUM.
_KNOWN_WEIGHT = 10
_TEXTS_AT_ONCE = 64  # keeps the table of counts in the processor's cache
_NEGATION_REACH = 3
_AS_IT_IS, _NEGATED = 10, -7  # tenths
_VALENCE_PRIOR_WORDS = 8


class TextWords:
    """64 features of a text. Parameters of the space: the weights of the three groups, in ticks."""

    name = "text-words"
    version = 1
    modality = "text"

    def fixed_space(self, columns: Columns) -> FeatureSpace:  # noqa: ARG002 - the same for all texts
        return FeatureSpace(
            modality="text",
            featuriser=f"{self.name}@{self.version}",
            parameters=dict(_WEIGHTS),
            dimension=DIMENSION,
            hashing=HashFamily(projections=4, widths_ticks=(512, 1024, 2048, 4096)),
            fourier=FourierFeatures(bandwidth_ticks=2048),
            partitioning=Partitioning(low_ticks=-1024, high_ticks=1024),
        )

    def fit_space(self, columns: Columns, batches: object) -> FeatureSpace:  # noqa: ARG002
        raise SpaceError("the space of texts is not fitted: the same space serves all of them")

    def transform(self, batch: pa.RecordBatch, columns: Columns, space: FeatureSpace) -> FeatureBatch:
        scales = _scales(space)
        texts = read_texts(batch.column(columns.names[0]), columns.names[0])
        parts = [_measure(texts[at : at + _TEXTS_AT_ONCE]) for at in range(0, len(texts), _TEXTS_AT_ONCE)]
        units = np.concatenate([units for units, _ in parts]) if parts else np.zeros((0, space.dimension))
        kept = np.concatenate([kept for _, kept in parts]) if parts else np.zeros(0, np.bool_)
        ticks = to_ticks(units[kept] * scales)
        return FeatureBatch(ticks, kept, "" if kept.all() else "the text is missing, blank or not UTF-8")


def _scales(space: FeatureSpace) -> NDArray[np.float64]:
    """Units that each feature counts. [d]"""
    weights = [space.parameters.get(name) for name in _WEIGHTS]
    for name, weight in zip(_WEIGHTS, weights, strict=True):
        if type(weight) is not int or not 0 <= weight <= CLIP_TICKS:
            raise SpaceError(f"parameter {name} of the space of texts must be an integer from 0 to {CLIP_TICKS}")
    if space.dimension != DIMENSION:
        raise SpaceError(f"the space of texts has {DIMENSION} dimensions, not {space.dimension}")
    return np.repeat(np.array(weights, np.float64) / TICKS_PER_UNIT, [MEANINGS, len(STYLES), VALENCES])


def _measure(texts: Sequence[str | None]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Features of each text before their weights [n, d], and which texts have a word at all [n]."""
    characters = read_characters(texts)
    words = find_words(characters)
    table = word_table()
    places = look_up(words.hashes, table.hashes)
    parts = (
        _sum_meanings(characters, words, places, table, len(texts)),
        measure_style(texts, characters, words),
        _weigh_valences(words, places, table, len(texts)),
    )
    return np.concatenate(parts, axis=1), np.bincount(words.owners, minlength=len(texts)) > 0


def _sum_meanings(
    characters: Characters, words: Words, places: NDArray[np.int64], table: WordTable, texts: int
) -> NDArray[np.float64]:
    """Sums of the words' vectors, of length 1; zeros where no word has one. [texts, MEANINGS]"""
    known = places >= 0
    sums = np.zeros((texts, MEANINGS), np.int64)
    owners = words.owners[known]
    if len(owners):
        starts = np.flatnonzero(np.append(True, np.diff(owners) > 0))
        sums[owners[starts]] = np.add.reduceat(table.vectors[places[known]].astype(np.int64), starts, axis=0)
    total = _KNOWN_WEIGHT * sums + _hash_unknown(characters, words, ~known & _is_told(characters, words), texts)
    squares = np.einsum("nd,nd->n", total, total)
    lengths: NDArray[np.float64] = np.sqrt(np.where(squares > 0, squares, 1))
    return total / lengths[:, None]


def _is_told(characters: Characters, words: Words) -> NDArray[np.bool_]:
    """Words that mean something: no marks, which are style, and no numbers, which are endless. [w]"""
    return (characters.codes[words.starts] >= ord("a")) & ~words.marks


def _hash_unknown(characters: Characters, words: Words, unknown: NDArray[np.bool_], texts: int) -> NDArray[np.float64]:
    """Random vectors of unknown words and of the trigrams around each of their characters. [texts, MEANINGS]"""
    if not unknown.any():
        return np.zeros((texts, MEANINGS))
    edges = np.zeros(len(characters.codes) + 1, np.int64)
    edges[words.starts[unknown]] += 1
    edges[(words.starts + words.lengths)[unknown]] -= 1
    inside = np.cumsum(edges[:-1]) > 0
    grams = find_trigrams(characters)
    chosen = inside[grams.starts + 1]
    return project_counts(
        np.concatenate([grams.hashes[chosen], words.hashes[unknown]]),
        np.concatenate([grams.owners[chosen], words.owners[unknown]]),
        np.repeat([_GRAM_WEIGHT, _WORD_WEIGHT], [int(chosen.sum()), int(unknown.sum())]),
        texts,
        MEANINGS,
    )


def _weigh_valences(words: Words, places: NDArray[np.int64], table: WordTable, texts: int) -> NDArray[np.float64]:
    """Root rate of praise, of blame, and the balance, from -1 to 1, over what chance gives it. [texts, VALENCES]"""
    values = np.where(places >= 0, table.valences[np.maximum(places, 0)], 0).astype(np.int64)
    negation = look_up(words.hashes, np.sort(hash_words(WORD_CLASSES["negation"]))) >= 0
    negated = np.zeros(len(values), np.bool_)
    for step in range(1, _NEGATION_REACH + 1):
        negated[step:] |= negation[:-step] & (words.owners[step:] == words.owners[:-step])
    values = values * np.where(negated, _NEGATED, _AS_IT_IS)
    whole = 100 * _AS_IT_IS  # a word of full praise
    praise = np.bincount(words.owners, np.maximum(values, 0), texts)
    blame = np.bincount(words.owners, np.maximum(-values, 0), texts)
    sizes = np.bincount(words.owners[~words.marks], minlength=texts) + _VALENCE_PRIOR_WORDS
    balance = praise - blame
    return np.stack(
        [
            np.sqrt((5 * praise + whole) / (5 * whole * sizes)),
            np.sqrt((5 * blame + whole) / (5 * whole * sizes)),
            balance / np.sqrt(balance * balance + whole * whole * sizes / 10),
        ],
        axis=1,
    )


FEATURISER: Featuriser = TextWords()

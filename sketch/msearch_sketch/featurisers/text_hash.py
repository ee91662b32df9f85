"""Texts: words and character trigrams, hashed, counted and projected.

Each text is lower-cased and runs of white space become one space. Its words (a punctuation mark or a Han or kana
character is a word of its own) and its trigrams of characters (spaces included, so that word starts and ends show) are
counted in signed hash buckets (Weinberger et al. 2009). Counts grow sub-linearly, 1 + ln count, and a projection on
random signs (Achlioptas 2003) keeps the cosine of two texts up to an error of about 1/8. The result is scaled to a
fixed length, whatever the text's.

All characters of a batch are hashed at once. Everything up to the length of the vector is integer arithmetic.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from msearch_sketch.errors import DatasetError, SpaceError
from msearch_sketch.featurisers.base import Columns, FeatureBatch, Featuriser, to_ticks
from msearch_sketch.randomness import draw_signs, draw_words, mix_words
from msearch_sketch.spaces import FeatureSpace, FourierFeatures, HashFamily, Partitioning

DEFAULT = True

DIMENSION = 64
MOST_CHARACTERS = 10_000
"""Longer texts count only up to here."""

_BUCKET_BITS = 12
_GRAM = 3
# Chosen on texts of four domains: trigrams alone, n-grams of 3 to 5, and other weights all mix the domains more.
_GRAM_WEIGHT, _WORD_WEIGHT = 1, 6
_LENGTH_UNITS = 2.0
_MOST_COUNT = 4095
_COUNT_STEPS = 16
_TEXTS_AT_ONCE = 64  # keeps the table of counts in the processor's cache
_SEED, _SIGNS, _POSITIONS = 5, 1, 2
_SPACE = 32


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
        column = batch.column(columns.names[0])
        if pa.types.is_dictionary(column.type):
            column = column.dictionary_decode()
        if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
            raise DatasetError(f"the column {columns.names[0]} must hold strings, not {column.type}")
        texts = _read(column)
        parts = [_project(texts[at : at + _TEXTS_AT_ONCE]) for at in range(0, len(texts), _TEXTS_AT_ONCE)]
        sums = np.concatenate(parts) if parts else np.zeros((0, space.dimension))
        squares = np.einsum("nd,nd->n", sums, sums)
        kept = squares > 0
        features = _LENGTH_UNITS * sums[kept] / np.sqrt(squares[kept])[:, None]
        return FeatureBatch(to_ticks(features), kept, "" if kept.all() else "the text is missing, blank or not UTF-8")


def _read(column: pa.Array) -> list[str | None]:
    """Texts, None where missing or not UTF-8 (Arrow does not check what a file holds)."""
    try:
        texts: list[str | None] = column.to_pylist()
    except UnicodeDecodeError:
        return [_decode(data) for data in column.cast(pa.large_binary()).to_pylist()]
    return texts


def _decode(data: bytes | None) -> str | None:
    try:
        return None if data is None else data.decode()
    except UnicodeDecodeError:
        return None


def _project(texts: list[str | None]) -> NDArray[np.float64]:
    """Unscaled features, integers; zeros for a blank text. [n, 64]"""
    codes, owners = _normalise(texts)
    cells: list[NDArray[np.int64]] = []
    weights: list[NDArray[np.int64]] = []
    for hashes, places, weight in (_grams(codes, owners), _words(codes, owners)):
        cells.append((places << _BUCKET_BITS) + (hashes >> np.uint64(64 - _BUCKET_BITS)).astype(np.int64))
        weights.append(np.where(hashes & np.uint64(1), weight, -weight))
    counts = np.bincount(np.concatenate(cells), np.concatenate(weights), len(texts) << _BUCKET_BITS)
    filled = np.flatnonzero(counts)  # few, where texts are short
    damped = np.zeros(len(counts), np.float32)
    damped[filled] = _damping()[np.clip(counts[filled], -_MOST_COUNT, _MOST_COUNT).astype(np.int64) + _MOST_COUNT]
    # At most 2^12 buckets times 16 (1 + ln 4095): below 2^24, where float32 holds every integer.
    return (damped.reshape(len(texts), -1) @ _signs()).astype(np.float64)


def _normalise(texts: list[str | None]) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """Code points of all texts, one after the other, each between spaces; and which text each belongs to."""
    padded = [f" {(text or '')[:MOST_CHARACTERS].lower()} " for text in texts]
    codes = np.frombuffer("".join(padded).encode("utf-32-le"), "<u4").copy()
    owners = np.repeat(np.arange(len(padded)), [len(text) for text in padded])
    spaces = _is_space(codes)
    codes[spaces] = _SPACE
    repeated = np.append(False, spaces[1:] & spaces[:-1] & (owners[1:] == owners[:-1]))
    return codes[~repeated], owners[~repeated]


def _is_space(codes: NDArray[np.uint32]) -> NDArray[np.bool_]:
    """White space, control characters and the like; by block, so that no Unicode table is needed."""
    other = _within(codes, 0x7F, 0xA0) | _within(codes, 0x2000, 0x200F) | _within(codes, 0x3000, 0x3000)
    return _within(codes, 0, _SPACE) | other


def _stands_alone(codes: NDArray[np.uint32]) -> NDArray[np.bool_]:
    """Whether a lower-case character is a word of its own: punctuation, a symbol, a Han or kana character."""
    letter = _within(codes, ord("a"), ord("z")) | _within(codes, ord("0"), ord("9")) | _within(codes, 0xC0, 0x10FFFF)
    return ~letter | _within(codes, 0x2010, 0x2BFF) | _within(codes, 0x3001, 0x9FFF)


def _within(codes: NDArray[np.uint32], first: int, last: int) -> NDArray[np.bool_]:
    inside: NDArray[np.bool_] = (codes >= first) & (codes <= last)
    return inside


def _grams(codes: NDArray[np.uint32], owners: NDArray[np.int64]) -> tuple[NDArray[np.uint64], NDArray[np.int64], int]:
    """Hashes of all trigrams within one text, the texts they are of, and their weight."""
    mixed, positions = _mix_codes(codes), _positions()
    starts = max(len(codes) - _GRAM + 1, 0)
    within = owners[:starts] == owners[_GRAM - 1 :]
    hashes = np.full(starts, _GRAM, np.uint64)  # sets a trigram apart from a word of three letters
    for step in range(_GRAM):
        hashes += mixed[step : step + starts] * positions[step]
    return mix_words(hashes[within]), owners[:starts][within], _GRAM_WEIGHT


def _words(codes: NDArray[np.uint32], owners: NDArray[np.int64]) -> tuple[NDArray[np.uint64], NDArray[np.int64], int]:
    """Hashes of all words, the texts they are of, and their weight. A Han or kana character is a word of its own."""
    within = np.flatnonzero(codes != _SPACE)
    codes, owners = codes[within], owners[within]
    if not len(codes):
        return np.empty(0, np.uint64), owners, _WORD_WEIGHT
    alone = _stands_alone(codes)
    first = np.append(True, (np.diff(within) > 1) | alone[1:] | alone[:-1])
    starts = np.flatnonzero(first)
    positions = _positions()
    steps = np.arange(len(codes)) - starts[np.cumsum(first) - 1]
    terms = _mix_codes(codes) * positions[np.minimum(steps, len(positions) - 1)]
    return mix_words(np.add.reduceat(terms, starts)), owners[starts], _WORD_WEIGHT


def _mix_codes(codes: NDArray[np.uint32]) -> NDArray[np.uint64]:
    return mix_words(codes.astype(np.uint64) + np.uint64(1))


@lru_cache(maxsize=1)
def _positions() -> NDArray[np.uint64]:
    """Odd multipliers for the characters of a word; from the 64th on the last serves."""
    return draw_words(_SEED, _POSITIONS, 64) | np.uint64(1)


@lru_cache(maxsize=1)
def _signs() -> NDArray[np.float32]:
    return draw_signs(_SEED, _SIGNS, (1 << _BUCKET_BITS, DIMENSION)).astype(np.float32)


@lru_cache(maxsize=1)
def _damping() -> NDArray[np.float32]:
    """16 (1 + ln |c|) with the sign of c, rounded, for c from -4095 to 4095. No value lies near a tie."""
    positive = np.rint(_COUNT_STEPS * (1 + np.log(np.arange(1, _MOST_COUNT + 1))))
    return np.concatenate([-positive[::-1], [0.0], positive]).astype(np.float32)


FEATURISER: Featuriser = TextHash()

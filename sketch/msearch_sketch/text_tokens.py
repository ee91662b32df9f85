"""Characters, words and trigrams of many texts at once, as arrays of hashes.

Each text is lower-cased and runs of white space become one space. A punctuation mark or a Han or kana character is a
word of its own. All of it is integer arithmetic on code points; no Unicode table is needed beyond `str.lower`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from msearch_sketch.errors import DatasetError
from msearch_sketch.randomness import draw_words, mix_words

MOST_CHARACTERS = 10_000
"""Longer texts count only up to here."""

SPACE = 32

_SEED, _POSITIONS = 5, 2
_GRAM = 3
_LAST_MARK = 0x303F  # of the block of Chinese and Japanese punctuation, before the kana


@dataclass(frozen=True, slots=True, eq=False)
class Characters:
    """Code points of all texts [c], one text after the other, each between spaces; the text each belongs to [c]."""

    codes: NDArray[np.uint32]
    owners: NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Words:
    """Words in their order [w]: hash, text it is of, place of its first character in `Characters`, characters.

    `marks` says which are punctuation marks or symbols, and no words in the narrow sense.
    """

    hashes: NDArray[np.uint64]
    owners: NDArray[np.int64]
    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]
    marks: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Trigrams:
    """Runs of three characters of one text [g]: hash, text it is of, place of the first in `Characters`."""

    hashes: NDArray[np.uint64]
    owners: NDArray[np.int64]
    starts: NDArray[np.int64]


def read_texts(column: pa.Array, name: str) -> list[str | None]:
    """Texts of a column, None where missing or not UTF-8 (Arrow does not check what a file holds).

    Raises:
        DatasetError: the column does not hold strings.
    """
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        raise DatasetError(f"the column {name} must hold strings, not {column.type}")
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


def read_characters(texts: Sequence[str | None]) -> Characters:
    """Normalised characters; a missing text is a blank one."""
    padded = [f" {(text or '')[:MOST_CHARACTERS].lower()} " for text in texts]
    codes = np.frombuffer("".join(padded).encode("utf-32-le"), "<u4").copy()
    owners = np.repeat(np.arange(len(padded)), [len(text) for text in padded])
    spaces = _is_space(codes)
    codes[spaces] = SPACE
    repeated = np.append(False, spaces[1:] & spaces[:-1] & (owners[1:] == owners[:-1]))
    return Characters(codes[~repeated], owners[~repeated])


def _is_space(codes: NDArray[np.uint32]) -> NDArray[np.bool_]:
    """White space, control characters and the like; by block, so that no Unicode table is needed."""
    other = within(codes, 0x7F, 0xA0) | within(codes, 0x2000, 0x200F) | within(codes, 0x3000, 0x3000)
    return within(codes, 0, SPACE) | other


def _stands_alone(codes: NDArray[np.uint32]) -> NDArray[np.bool_]:
    """Whether a lower-case character is a word of its own: punctuation, a symbol, a Han or kana character."""
    letter = within(codes, ord("a"), ord("z")) | within(codes, ord("0"), ord("9")) | within(codes, 0xC0, 0x10FFFF)
    return ~letter | within(codes, 0x2010, 0x2BFF) | within(codes, 0x3001, _LAST_MARK) | _is_han_or_kana(codes)


def _is_han_or_kana(codes: NDArray[np.uint32]) -> NDArray[np.bool_]:
    return within(codes, _LAST_MARK + 1, 0x9FFF)


def within(codes: NDArray[np.uint32], first: int, last: int) -> NDArray[np.bool_]:
    """Which code points lie between two, both included."""
    inside: NDArray[np.bool_] = (codes >= first) & (codes <= last)
    return inside


def find_words(characters: Characters) -> Words:
    """All words of all texts."""
    places = np.flatnonzero(characters.codes != SPACE)
    codes, owners = characters.codes[places], characters.owners[places]
    if not len(codes):
        nothing = np.zeros(0, np.int64)
        return Words(np.zeros(0, np.uint64), owners, nothing, nothing, np.zeros(0, np.bool_))
    alone = _stands_alone(codes)
    first = np.append(True, (np.diff(places) > 1) | alone[1:] | alone[:-1])
    starts = np.flatnonzero(first)
    positions = _positions()
    steps = np.arange(len(codes)) - starts[np.cumsum(first) - 1]
    terms = _mix_codes(codes) * positions[np.minimum(steps, len(positions) - 1)]
    lengths = np.diff(np.append(starts, len(codes)))
    marks = alone[starts] & ~_is_han_or_kana(codes[starts])
    return Words(mix_words(np.add.reduceat(terms, starts)), owners[starts], places[starts], lengths, marks)


def hash_words(words: Sequence[str]) -> NDArray[np.uint64]:
    """The hash under which `find_words` finds each of these lower-case words. [len(words)]"""
    return find_words(read_characters(words)).hashes


def find_trigrams(characters: Characters) -> Trigrams:
    """All trigrams within one text, spaces included, so that starts and ends of words show."""
    codes, owners = characters.codes, characters.owners
    mixed, positions = _mix_codes(codes), _positions()
    count = max(len(codes) - _GRAM + 1, 0)
    starts = np.flatnonzero(owners[:count] == owners[_GRAM - 1 :])
    hashes = np.full(count, _GRAM, np.uint64)  # sets a trigram apart from a word of three letters
    for step in range(_GRAM):
        hashes += mixed[step : step + count] * positions[step]
    return Trigrams(mix_words(hashes[starts]), owners[starts], starts)


def _mix_codes(codes: NDArray[np.uint32]) -> NDArray[np.uint64]:
    return mix_words(codes.astype(np.uint64) + np.uint64(1))


@lru_cache(maxsize=1)
def _positions() -> NDArray[np.uint64]:
    """Odd multipliers for the characters of a word; from the 64th on the last serves."""
    return draw_words(_SEED, _POSITIONS, 64) | np.uint64(1)

r"""Hashed n-gram counts, equal to scikit-learn's HashingVectorizer, so that a model can be trained with either.

    HashingVectorizer(analyzer=analyser, ngram_range=ngrams, n_features=features, lowercase=lowercase,
                      norm=None if norm == "none" else norm, alternate_sign=signed)

1. The text is turned into lower case, if `lowercase`.
2. word: words are runs of at least two word characters (`\b\w\w+\b`); n-grams of words are joined by one space.
   char: runs of two and more white-space characters become one space; n-grams of characters over the whole text.
3. Each n-gram's UTF-8 bytes are hashed by MurmurHash3 x86 32 with seed 0, read as a signed integer h. Its feature is
   |h| mod features, its count +1, or -1 where h < 0 if `signed` (Weinberger et al. 2009).
4. Counts are summed, and the row divided by its norm (l1 or l2) if that is not 0.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from msearch_card.encodings import HashingEncoding

_WORD = re.compile(r"\b\w\w+\b")
_SPACES = re.compile(r"\s\s+")


@dataclass(frozen=True, slots=True, eq=False)
class HashedTexts:
    """A sparse matrix [n, features] in CSR form.

    Row i holds `values[row_offsets[i]:row_offsets[i + 1]]` at the sorted distinct `columns` of the same range.
    """

    row_offsets: NDArray[np.int64]
    columns: NDArray[np.int64]
    values: NDArray[np.float32]
    features: int

    def dense(self) -> NDArray[np.float32]:
        """The matrix [n, features]."""
        rows = np.repeat(np.arange(self.row_offsets.size - 1), np.diff(self.row_offsets))
        matrix = np.zeros((self.row_offsets.size - 1, self.features), np.float32)
        matrix[rows, self.columns] = self.values
        return matrix


def hash_texts(texts: Sequence[str], parameters: HashingEncoding) -> HashedTexts:
    """Hashes each text into one row; deterministic on every machine. An empty text gives an empty row."""
    grams: defaultdict[str, int] = defaultdict()
    grams.default_factory = grams.__len__
    counts = np.zeros(len(texts), np.int64)
    ids: list[NDArray[np.int64]] = []
    for row, text in enumerate(texts):
        found = _ngrams(text, parameters)
        counts[row] = len(found)
        ids.append(np.fromiter(map(grams.__getitem__, found), np.int64, len(found)))
    flat = np.concatenate(ids) if ids else np.zeros(0, np.int64)

    hashes = murmur3([gram.encode() for gram in grams]).astype(np.int64)
    columns = np.abs(hashes)[flat] % parameters.features
    signs = np.where(hashes < 0, -1.0, 1.0)[flat] if parameters.signed else np.ones(flat.size)
    cells, place = np.unique(
        np.repeat(np.arange(len(texts)), counts) * parameters.features + columns, return_inverse=True
    )
    sums = np.bincount(place, signs, minlength=cells.size)
    rows = cells // parameters.features
    if parameters.norm != "none":
        powers = np.abs(sums) if parameters.norm == "l1" else sums**2
        totals = np.bincount(rows, powers, minlength=len(texts))
        norms = totals if parameters.norm == "l1" else np.sqrt(totals)
        sums = sums / np.where(norms > 0, norms, 1.0)[rows]
    row_offsets = np.searchsorted(rows, np.arange(len(texts) + 1)).astype(np.int64)
    return HashedTexts(row_offsets, cells % parameters.features, sums.astype(np.float32), parameters.features)


def _ngrams(text: str, parameters: HashingEncoding) -> list[str]:
    low, high = parameters.ngrams
    if parameters.lowercase:
        text = text.lower()
    if parameters.analyser == "char":
        text = _SPACES.sub(" ", text)
        return [text[i : i + n] for n in range(low, high + 1) for i in range(len(text) - n + 1)]
    words = _WORD.findall(text)
    if (low, high) == (1, 1):
        return words
    return [" ".join(words[i : i + n]) for n in range(low, high + 1) for i in range(len(words) - n + 1)]


def murmur3(keys: Iterable[bytes]) -> NDArray[np.int32]:
    """MurmurHash3 x86 32 with seed 0 (Appleby, public domain) of each key, as signed integers. [n]"""
    listed = list(keys)
    lengths = np.fromiter(map(len, listed), np.int64, len(listed))
    starts = np.cumsum(lengths) - lengths
    data = np.frombuffer(b"".join(listed), np.uint8)
    hashes = np.zeros(len(listed), np.uint32)
    for length in np.unique(lengths):  # all keys of one length at once
        members = np.flatnonzero(lengths == length)
        hashes[members] = _murmur3(data[starts[members][:, None] + np.arange(length)])
    return hashes.view(np.int32)


def _murmur3(keys: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """Of n keys of equal length. [n, length] -> [n]"""
    count, length = keys.shape
    whole = length // 4 * 4
    blocks = np.ascontiguousarray(keys[:, :whole]).view("<u4").astype(np.uint32)
    state = np.zeros(count, np.uint32)
    for block in blocks.T:
        state = _rotate(state ^ _scramble(block), 13) * np.uint32(5) + np.uint32(0xE6546B64)
    tail = np.zeros((count, 4), np.uint8)
    tail[:, : length - whole] = keys[:, whole:]
    # An empty tail scrambles to 0 and changes nothing.
    state ^= _scramble(tail.view("<u4")[:, 0].astype(np.uint32))
    state ^= np.uint32(length)
    state ^= state >> np.uint32(16)
    state *= np.uint32(0x85EBCA6B)
    state ^= state >> np.uint32(13)
    state *= np.uint32(0xC2B2AE35)
    state ^= state >> np.uint32(16)
    return state


def _scramble(block: NDArray[np.uint32]) -> NDArray[np.uint32]:
    return _rotate(block * np.uint32(0xCC9E2D51), 15) * np.uint32(0x1B873593)


def _rotate(value: NDArray[np.uint32], bits: int) -> NDArray[np.uint32]:
    return (value << np.uint32(bits)) | (value >> np.uint32(32 - bits))

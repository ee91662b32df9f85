"""How a text is written, apart from what it speaks of: rates of word classes, endings and marks, and lengths.

A rate is smoothed towards that of ordinary prose as if the text had `_PRIOR_WORDS` words more, so that a short text
does not lie far out by chance, and its square root is taken: then chance moves every rate alike, frequent or rare
(Bartlett 1936). Counts are integers, and division and square root are exact to the last bit by IEEE 754.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from msearch_sketch.text_tokens import MOST_CHARACTERS, Characters, Words, hash_words, within
from msearch_sketch.word_classes import WORD_CLASSES
from msearch_sketch.word_table import look_up

_PRIOR_WORDS = 8
# Expected among 1,000 words of ordinary prose, by rule of thumb.
_PRIORS = {
    "comma": 60,
    "exclamation": 10,
    "question": 10,
    "quotation": 30,
    "symbol": 20,
    "digits": 20,
    "capital": 150,
    "capitals": 20,
    "first_person": 30,
    "second_person": 15,
    "third_person": 50,
    "article": 90,
    "demonstrative": 20,
    "preposition": 130,
    "conjunction": 60,
    "question_word": 20,
    "modal": 15,
    "negation": 12,
    "present_auxiliary": 45,
    "past": 20,
    "quantity": 15,
    "degree": 15,
    "ed": 40,
    "ing": 30,
    "ly": 20,
    "noun": 50,
}
STYLES = ("length", "word_length", "sentence_length", *_PRIORS)
"""Names of the features."""

_MARKS = {"stop": ".。…", "comma": ",;:-–—、", "exclamation": "!", "question": "?", "quotation": "\"'`“”‘’„«»"}
_SYMBOL = len(_MARKS)
_MARK_CODES = 0x3040  # every mark has a code below
# Endings and the least length of a word that has one of them; "noun": of nouns made of verbs and adjectives.
_ENDINGS = {
    "ed": (("ed",), 4),
    "ing": (("ing",), 5),
    "ly": (("ly",), 4),
    "noun": (("ion", "ity", "ess", "ent", "nce", "ism", "ure"), 6),
}
_LETTERS_A_WORD = 4.5
_LONGEST_WORD = 18  # letters a word on the average, from where texts of no words no longer differ
_WORDS_A_TEXT, _WORDS_A_SENTENCE = 40, 15


def measure_style(texts: Sequence[str | None], characters: Characters, words: Words) -> NDArray[np.float64]:
    """Features of each text, from 0 to about 1. [len(texts), len(STYLES)]

    Args:
        texts: as they were, for the capitals.
        characters: of these texts.
        words: of these texts.
    """
    count = len(texts)
    codes, mark = characters.codes[words.starts], words.marks
    owners, lengths = words.owners[~mark], words.lengths[~mark]
    sizes = np.bincount(owners, minlength=count)
    letters = np.bincount(owners, lengths, count)
    marks = _tally(words.owners[mark], _kinds()[np.minimum(codes[mark], _MARK_CODES)], count, _SYMBOL + 1)
    known, class_of = _classes()
    classes = look_up(words.hashes, known)
    counts: dict[str, NDArray[np.int64]] = dict(zip((*_MARKS, "symbol"), marks.T, strict=True))
    counts["digits"] = np.bincount(owners[within(codes[~mark], ord("0"), ord("9"))], minlength=count)
    counts["capital"], counts["capitals"] = _count_capitals(texts)
    found = classes >= 0
    by_class = _tally(words.owners[found], class_of[classes[found]], count, len(WORD_CLASSES))
    counts |= dict(zip(WORD_CLASSES, by_class.T, strict=True))
    endings = characters.codes[(words.starts + words.lengths - 1)[~mark][:, None] - np.arange(3)]
    for name, (each, least) in _ENDINGS.items():
        hits = (lengths >= least) & np.any([_ends_with(endings, ending) for ending in each], axis=0)
        counts[name] = np.bincount(owners[hits], minlength=count)
    sentences = counts["stop"] + counts["exclamation"] + counts["question"] + 1
    total = sizes + _PRIOR_WORDS
    columns = [
        np.sqrt(sizes / (sizes + _WORDS_A_TEXT)),
        np.minimum((letters + _PRIOR_WORDS * _LETTERS_A_WORD) / total, _LONGEST_WORD) / 4,
        np.sqrt(total / (total + _WORDS_A_SENTENCE * sentences)),
        *(np.sqrt((1000 * counts[name] + _PRIOR_WORDS * prior) / (1000 * total)) for name, prior in _PRIORS.items()),
    ]
    return np.stack(columns, axis=1)


def _tally(owners: NDArray[np.int64], kinds: NDArray[np.int64], texts: int, most: int) -> NDArray[np.int64]:
    """How many of each kind each text has. [texts, most]"""
    return np.bincount(owners * most + kinds, minlength=texts * most).reshape(texts, most)


def _ends_with(endings: NDArray[np.uint32], ending: str) -> NDArray[np.bool_]:
    """`endings` [w, 3]: last character, last but one, last but two."""
    hits: NDArray[np.bool_] = np.all(
        [endings[:, place] == ord(letter) for place, letter in enumerate(reversed(ending))], axis=0
    )
    return hits


def _count_capitals(texts: Sequence[str | None]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Capital letters (of the Latin alphabet) that follow none, and those that follow one."""
    shown = [(text or "")[:MOST_CHARACTERS] + " " for text in texts]
    codes = np.frombuffer("".join(shown).encode("utf-32-le"), "<u4")
    owners = np.repeat(np.arange(len(shown)), [len(text) for text in shown])
    capital = within(codes, ord("A"), ord("Z")) | (within(codes, 0xC0, 0xDE) & (codes != 0xD7))
    follows = np.append(False, capital[:-1])[: len(codes)] & capital
    first = np.bincount(owners[capital & ~follows], minlength=len(shown))
    return first, np.bincount(owners[follows], minlength=len(shown))


@lru_cache(maxsize=1)
def _kinds() -> NDArray[np.int64]:
    """Which of `_MARKS` a code is, else `_SYMBOL`. [_MARK_CODES + 1]"""
    kinds = np.full(_MARK_CODES + 1, _SYMBOL, np.int64)
    for kind, marks in enumerate(_MARKS.values()):
        kinds[[ord(mark) for mark in marks]] = kind
    return kinds


@lru_cache(maxsize=1)
def _classes() -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Hashes of all words of the classes, ascending, and the class of each."""
    hashes = np.concatenate([hash_words(words) for words in WORD_CLASSES.values()])
    classes = np.repeat(np.arange(len(WORD_CLASSES)), [len(words) for words in WORD_CLASSES.values()])
    order = np.argsort(hashes)
    return hashes[order], classes[order]

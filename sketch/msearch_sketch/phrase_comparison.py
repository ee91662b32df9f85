"""How two phrases differ: which words are left over once each has found its counterpart, and of what kind they are.

Shares of common words depend on how long texts are and so mean another thing in every dataset; what is left over, on
one side or on both, means about the same in all. All values lie in [0, 1], high where the phrases agree, are the same
whichever phrase comes first, and are exact in steps of 1 / 65536 on every machine.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from msearch_sketch.phrases import Phrase
from msearch_sketch.text_similarity import SIMILARITY_ONE, edit_similarity

LIKENESSES = (
    "leftover",
    "leftover_more",
    "worst",
    "worst_more",
    "letters",
    "words",
    "contained",
    "added",
    "rest",
    "head",
    "start",
    "numbers",
    "number_replaced",
    "number_added",
    "length",
    "size",
    "exact",
    "tail",
)

_ALIKE = 0.75
"""Words of at least this similarity are counterparts."""
_MOST_WORDS = 12
_LONGEST_WORD = 12
_HALF_SIZE = 12
_FUNCTION_WORDS = frozenset(
    {"a", "an", "and", "at", "by", "das", "de", "del", "der", "des", "di", "die", "du", "el", "et", "for", "in", "la"}
    | {"le", "of", "on", "s", "the", "to", "und", "y"}
)


@dataclass(slots=True)
class _Side:
    """A phrase beside another: similarities of its unshared words to their counterparts, and the words without one.

    `alone` are its unshared words, at most twelve; `telling` are the words left over that are no function words.
    """

    phrase: Phrase
    alone: list[str]
    similarities: list[float]
    left: list[str]
    telling: list[str]


def compare_phrases(a: Phrase, b: Phrase) -> list[int]:
    """The likenesses, in the order of `LIKENESSES`, in units of 1 / 65536.

    Words that both have are counterparts; each other word (of many, the twelve longest) looks for the most similar one
    of the other side's others (as in Monge & Elkan 1996). Words without a counterpart are left over. The *fewer* is the
    side with the smaller number of them, or whichever side gives the higher value, the *more* the other.

    - leftover: mean of 1 / (1 + n) over n = words left over, those of them in the head, those with a capital; on the
      side of fewer, without function words in the last two. leftover_more: the same of more
    - worst, worst_more: the similarity of the word with the worst counterpart
    - letters: mean of the cosine of character trigrams and the edit similarity with and without spaces
    - words: mean of five: the Jaccard index of the words, plain and weighted by length; shared words over the larger
      set; and, each on the side of more, the mean similarity of a word to its best counterpart, and the share of
      letters that are not left over
    - contained: mean of shared words over the smaller set, and of the last two on the side of fewer
    - added: 1 less a twelfth of the length of the longest word left over, function words apart
    - rest: edit similarity of the words that are not shared; 1/2 where one side has none, 1 where both have none
    - head: mean of the Jaccard index of the heads and of whether they are equal; tail: Jaccard index of the tails
    - start: mean of the common prefix over the shorter length and the similarity of the first words
    - numbers: Jaccard index of the numbers, 1/2 without; number_replaced, number_added: 0 if both sides, or only one,
      have a number left over, else 1
    - length: mean of shorter over longer in characters and in words; size: s / (s + 12) of s shared letters
    - exact: whether the words are equal, in order
    """
    shared = a.words & b.words
    sides = _align(a, b, shared)
    by_all = _low_high(1 / (1 + len(side.left)) for side in sides)
    by_head = _low_high(1 / (1 + len(side.phrase.head.intersection(side.telling))) for side in sides)
    by_capital = _low_high(1 / (1 + len(set(side.telling) - side.phrase.plain)) for side in sides)
    worst = _low_high(min(side.similarities, default=1.0) for side in sides)
    matched = _low_high((len(shared) + sum(side.similarities)) / len(side.phrase.words) for side in sides)
    covered = _low_high(1 - sum(map(len, side.left)) / side.phrase.letters for side in sides)
    longest = max((len(word) for side in sides for word in side.telling), default=0)
    numbers = [any(word.isdigit() for word in side.left) for side in sides]
    few, many = sorted((len(a.words), len(b.words)))
    short, long = sorted((len(a.text), len(b.text)))
    letters = sum(map(len, shared))
    prefix = next((i for i, (x, y) in enumerate(zip(a.text, b.text, strict=False)) if x != y), short)
    ratios = (
        (by_all[1] + by_head[1] + by_capital[1]) / 3,
        (by_all[0] + by_head[0] + by_capital[0]) / 3,
        worst[1],
        worst[0],
        (_cosine(a, b) + edit_similarity(a.text, b.text) + edit_similarity(_joined(a), _joined(b))) / 3,
        (
            len(shared) / (few + many - len(shared))
            + letters / (a.letters + b.letters - letters)
            + len(shared) / many
            + matched[0]
            + covered[0]
        )
        / 5,
        (len(shared) / few + matched[1] + covered[1]) / 3,
        1 - min(longest, _LONGEST_WORD) / _LONGEST_WORD,
        _compare_rest(sides[0].alone, sides[1].alone),
        (_jaccard(a.head, b.head, 1.0) + (a.head_text == b.head_text)) / 2,
        (prefix / short + word_similarity(a.first, b.first)) / 2,
        _jaccard(a.numbers, b.numbers, 0.5),
        float(not all(numbers)),
        float(all(numbers) or not any(numbers)),
        (short / long + few / many) / 2,
        letters / (letters + _HALF_SIZE),
        float(a.text == b.text),
        _jaccard(a.tail, b.tail, 1.0) if bool(a.tail) == bool(b.tail) else 0.5,
    )
    return [round(ratio * SIMILARITY_ONE) for ratio in ratios]


@lru_cache(maxsize=1 << 16)
def word_similarity(a: str, b: str) -> float:
    """How likely two words are spellings of one, in [0, 1]; symmetric.

    Numbers are equal or not, but for a year and its last two digits (0.9). A single letter is the initial of a word
    (0.75), a word of three letters or more that the other one starts with its abbreviation (at least 0.85). Others: the
    edit similarity, raised for a common prefix as Winkler (1990) does for Jaro's.
    """
    if a == b:
        return 1.0
    short, long = sorted((a, b), key=lambda word: (len(word), word))
    if short.isdigit() or long.isdigit():
        year = short.isdigit() and long.isdigit() and len(short) <= 2 and len(long) == 4
        return 0.9 if year and long.endswith(short.zfill(2)) else 0.0
    if len(short) == 1:
        return 0.75 if long[0] == short else 0.0
    similarity = edit_similarity(short, long)
    if len(short) >= 3 and long.startswith(short):
        return max(similarity, 0.85)
    if similarity >= 0.6:
        common = next((i for i in range(min(4, len(short))) if short[i] != long[i]), min(4, len(short)))
        similarity += 0.1 * common * (1 - similarity)
    return similarity


def _align(a: Phrase, b: Phrase, shared: frozenset[str]) -> tuple[_Side, _Side]:
    one, other = (sorted(p.words - shared, key=lambda word: (-len(word), word))[:_MOST_WORDS] for p in (a, b))
    table = [[word_similarity(word, counterpart) for counterpart in other] for word in one]
    across = [max(row, default=0.0) for row in table]
    down = [max(column) for column in zip(*table, strict=True)] if table else [0.0] * len(other)
    return _side(a, one, across), _side(b, other, down)


def _side(phrase: Phrase, alone: list[str], similarities: list[float]) -> _Side:
    left = [word for word, similarity in zip(alone, similarities, strict=True) if similarity < _ALIKE]
    return _Side(phrase, alone, similarities, left, [word for word in left if word not in _FUNCTION_WORDS])


def _low_high(values: Iterable[float]) -> tuple[float, float]:
    low, high = sorted(values)
    return low, high


def _joined(phrase: Phrase) -> str:
    return phrase.text.replace(" ", "")


def _jaccard(a: frozenset[str], b: frozenset[str], neither: float) -> float:
    either = len(a | b)
    return len(a & b) / either if either else neither


def _compare_rest(a: list[str], b: list[str]) -> float:
    if a and b:
        return edit_similarity("".join(sorted(a)), "".join(sorted(b)))
    return 0.5 if a or b else 1.0


def _cosine(a: Phrase, b: Phrase) -> float:
    few, many = sorted((a.trigrams, b.trigrams), key=len)
    dot = sum(count * many[gram] for gram, count in few.items() if gram in many)
    return dot / math.sqrt(a.square_norm * b.square_norm)

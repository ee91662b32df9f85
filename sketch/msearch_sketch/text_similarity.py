"""Similarities of two short texts in [0, 1], symmetric, in exact steps of 1 / 65536, without any data.

Each is a ratio of small integers (or the root of one), so it is the same on every machine.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Set
from dataclasses import dataclass

SIMILARITIES = (
    "tokens",
    "long_tokens",
    "overlap",
    "trigrams",
    "edit",
    "joined",
    "rest",
    "weakest",
    "prefix",
    "length",
    "numbers",
    "exact",
)
SIMILARITY_ONE = 65536

_LONGEST_EDIT = 128  # characters compared by `edit`; the bit-parallel algorithm costs one step for each
_MOST_WORDS = 8  # unshared words on each side that `weakest` compares with each other
_TOKEN = re.compile(r"[^\W_]+")
_NUMBER = re.compile(r"[\s$€£¥]*([-+]?(?:\d[\d,]*\.?\d*|\.\d+))\s*%?\s*")


@dataclass(frozen=True, slots=True)
class TextProfile:
    """What comparisons need of a text, computed once.

    `text` is the normalised text: compatibility decomposition, no accents, case folded, words joined by one space.
    """

    text: str
    tokens: frozenset[str]
    trigrams: Counter[str]
    square_norm: int
    digits: frozenset[str]
    number: float | None


def profile_text(value: str) -> TextProfile | None:
    """The profile of a text, or None where it is blank."""
    plain = value.lower() if value.isascii() else _fold(value)
    words = _TOKEN.findall(plain) or plain.split()
    if not words:
        return None
    text = " ".join(words)
    padded = f" {text} "
    trigrams = Counter(map("".join, zip(padded, padded[1:], padded[2:], strict=False)))
    tokens = frozenset(words)
    return TextProfile(
        text=text,
        tokens=tokens,
        trigrams=trigrams,
        square_norm=sum(count * count for count in trigrams.values()),
        digits=frozenset(token for token in tokens if not token.isalpha()),
        number=_parse_number(plain),
    )


def _fold(value: str) -> str:
    decomposed = unicodedata.normalize("NFKD", value).casefold()
    return "".join(character for character in decomposed if not unicodedata.combining(character))


def compare_texts(a: TextProfile, b: TextProfile) -> list[int]:
    """The similarities, in the order of `SIMILARITIES`, in units of 1 / 65536.

    - tokens: Jaccard index of the sets of words; long_tokens: the same with words weighted by their length
    - overlap: shared words over the smaller set (Szymkiewicz-Simpson)
    - trigrams: cosine of the counts of character trigrams
    - edit: 2 LCS / (sum of lengths), the normalised similarity of the edit distance by insertions and deletions
    - joined: the same without spaces
    - rest: the same of the sorted words that are not shared; 1/2 where one side has none, 1 where both have none
    - weakest: the edit similarity to its best counterpart of that word of the smaller set which matches worst
    - prefix: common prefix over the shorter length; length: shorter over longer
    - numbers: 1 - |a - b| / max(|a|, |b|) of two numbers, else the Jaccard index of the words with digits, 1/2 without
    - exact: whether the normalised texts are equal
    """
    shared = a.tokens & b.tokens
    shorter, longer = sorted((len(a.text), len(b.text)))
    prefix = next((i for i, (x, y) in enumerate(zip(a.text, b.text, strict=False)) if x != y), shorter)
    ratios = (
        len(shared) / (len(a.tokens) + len(b.tokens) - len(shared)),
        _weighted_jaccard(a.tokens, b.tokens),
        len(shared) / min(len(a.tokens), len(b.tokens)),
        _cosine(a, b),
        edit_similarity(a.text, b.text),
        edit_similarity(a.text.replace(" ", ""), b.text.replace(" ", "")),
        _compare_rest(a.tokens - shared, b.tokens - shared),
        _match_weakest(a.tokens - shared, b.tokens - shared),
        prefix / shorter,
        shorter / longer,
        _compare_numbers(a, b),
        float(a.text == b.text),
    )
    return [round(ratio * SIMILARITY_ONE) for ratio in ratios]


def compare_tokens(a: Set[str], b: Set[str]) -> list[int]:
    """Jaccard index, length-weighted Jaccard index and overlap of two sets of words; 0 where one is empty."""
    if not a or not b:
        return [0, 0, 0]
    shared = len(a & b)
    ratios = (shared / (len(a) + len(b) - shared), _weighted_jaccard(a, b), shared / min(len(a), len(b)))
    return [round(ratio * SIMILARITY_ONE) for ratio in ratios]


def _weighted_jaccard(a: Set[str], b: Set[str]) -> float:
    shared = sum(map(len, a & b))
    return shared / (sum(map(len, a)) + sum(map(len, b)) - shared)


def _cosine(a: TextProfile, b: TextProfile) -> float:
    few, many = sorted((a.trigrams, b.trigrams), key=len)
    dot = sum(count * many[gram] for gram, count in few.items() if gram in many)
    return dot / math.sqrt(a.square_norm * b.square_norm)


def edit_similarity(a: str, b: str) -> float:
    """2 LCS(a, b) / (|a| + |b|) of the first 128 characters; 1 for two empty texts."""
    a, b = a[:_LONGEST_EDIT], b[:_LONGEST_EDIT]
    if a == b:
        return 1.0
    return 2 * _common_length(a, b) / (len(a) + len(b))


def _common_length(a: str, b: str) -> int:
    """Length of the longest common subsequence, bit-parallel (Hyyro 2004)."""
    positions: dict[str, int] = {}
    for index, character in enumerate(a):
        positions[character] = positions.get(character, 0) | 1 << index
    state = everything = (1 << len(a)) - 1
    for character in b:
        matches = state & positions.get(character, 0)
        state = (state + matches) | (state - matches)
    return len(a) - (state & everything).bit_count()


def _compare_rest(a: Set[str], b: Set[str]) -> float:
    if a and b:
        return edit_similarity("".join(sorted(a)), "".join(sorted(b)))
    return 0.5 if a or b else 1.0


def _match_weakest(a: Set[str], b: Set[str]) -> float:
    """Shared words match perfectly, so only the others are compared; of many, the longest."""
    few, many = sorted((a, b), key=len)
    if not few:
        return 1.0
    first, second = (sorted(words, key=lambda word: (-len(word), word))[:_MOST_WORDS] for words in (few, many))
    ratios = [[edit_similarity(one, other) for other in second] for one in first]
    weakest = min(map(max, ratios))
    # Of two sets of the same size neither is the smaller one: both directions count.
    return weakest if len(few) < len(many) else min(weakest, *map(max, zip(*ratios, strict=True)))


def _compare_numbers(a: TextProfile, b: TextProfile) -> float:
    if a.number is not None and b.number is not None:
        largest = max(abs(a.number), abs(b.number))
        return max(0.0, 1.0 - abs(a.number - b.number) / largest) if largest else 1.0
    either = a.digits | b.digits
    return len(a.digits & b.digits) / len(either) if either else 0.5


def _parse_number(text: str) -> float | None:
    match = _NUMBER.fullmatch(text)
    if match is None:
        return None
    number = float(match[1].replace(",", ""))
    return number if math.isfinite(number) else None

"""A short text as words that compare across spellings: a title, a name, an address."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass

_WORD = re.compile(r"[^\W\d_]+|\d+")
_NOT_WRITTEN = re.compile(r"(?<=\b\w)\.(?=\w\b)|['’`´]|(?<=\d)(?:st|nd|rd|th)\b", re.IGNORECASE)
"""The dots of U.S., apostrophes, and the endings of ordinal numbers."""
_HEAD_ENDS = re.compile(r"[(\[,;:]|\s[-–—]\s")
_TEENS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
_ROMANS = ("", "i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix")
_NUMBERS = (
    {word: str(number) for number, word in enumerate(_TEENS)}
    | {word: str(number) for number, word in enumerate(_ORDINALS, 1)}
    | {"x" * tens + ones: str(10 * tens + one) for tens in range(4) for one, ones in enumerate(_ROMANS) if tens or one}
)


@dataclass(frozen=True, slots=True)
class Phrase:
    """What comparisons need of a text, computed once.

    `words` are folded (no accents, no case); numbers in words, Roman numerals and ordinals are decimal numbers.
    `head` are the words before the first bracket, comma, colon or lone dash, `tail` the others. `plain` are the words
    never written with a capital, where some word is. `text` and `head_text` are words joined by one space.
    """

    text: str
    head_text: str
    first: str
    words: frozenset[str]
    head: frozenset[str]
    tail: frozenset[str]
    plain: frozenset[str]
    numbers: frozenset[str]
    letters: int
    trigrams: Counter[str]
    square_norm: int


def read_phrase(value: str) -> Phrase | None:
    """The phrase that a text is, or None where it is blank."""
    written = _NOT_WRITTEN.sub("", value if value.isascii() else _without_accents(value))
    cased = _WORD.findall(written) or written.split()
    if not cased:
        return None
    words = [_canonical(word) for word in cased]
    ordered_head = words[: _head_length(written)] or words
    capitals = {word for word, spelt in zip(words, cased, strict=True) if spelt[0].isupper()}
    text = " ".join(words)
    padded = f" {text} "
    trigrams = Counter(map("".join, zip(padded, padded[1:], padded[2:], strict=False)))
    distinct, head = frozenset(words), frozenset(ordered_head)
    numbers = frozenset(word for word in distinct if word.isdigit())
    return Phrase(
        text=text,
        head_text=" ".join(ordered_head),
        first=words[0],
        words=distinct,
        head=head,
        tail=distinct - head,
        plain=distinct - capitals - numbers if capitals else frozenset(),
        numbers=numbers,
        letters=sum(map(len, distinct)),
        trigrams=trigrams,
        square_norm=sum(count * count for count in trigrams.values()),
    )


def _without_accents(value: str) -> str:
    decomposed = unicodedata.normalize("NFKD", value)
    return "".join(character for character in decomposed if not unicodedata.combining(character))


def _canonical(word: str) -> str:
    if word.isdigit():
        return word.lstrip("0") or "0"
    folded = word.casefold()
    return _NUMBERS.get(folded, folded)


def _head_length(written: str) -> int:
    """Words before the first mark that ends the head; a mark before any word does not."""
    start = _WORD.search(written)
    end = _HEAD_ENDS.search(written, start.start()) if start else None
    return len(_WORD.findall(written, 0, end.start())) if end else len(written)

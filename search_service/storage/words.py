"""What counts as a word in a text search: one rule, which memory, SQLite and PostgreSQL all follow.

The stores keep the words that this module finds, so no engine's own tokeniser, stemmer or collation has a say.
"""

from __future__ import annotations

import re
import unicodedata
from itertools import pairwise

LONGEST_WORD = 200
"""Only so many characters of a word count: PostgreSQL's lexemes end at 2,046 bytes."""

_WORD = re.compile(r"[^\W_]+")


def split_words(text: str) -> tuple[str, ...]:
    """The distinct words of a text, in the order of their first appearance.

    A word is a longest run of letters and digits (Unicode, so "mnist-5k" and "mnist_5k" are both "mnist" and "5k"),
    after compatibility normalisation and case folding.
    """
    if text.isascii():
        folded = text.lower()
    else:
        folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return tuple(dict.fromkeys(word[:LONGEST_WORD] for word in _WORD.findall(folded)))


def document_words(name: str, description: str) -> tuple[str, ...]:
    """The distinct words that a text search for a model or a dataset looks at."""
    return split_words(f"{name} {description}")


def sought_words(text: str) -> tuple[str, ...]:
    """The words a search text asks for, without those that a longer one implies ("dig" beside "digits")."""
    words = sorted(split_words(text))
    # In sorted order, whatever begins with a word directly follows it.
    return tuple(word for word, after in pairwise([*words, ""]) if not after.startswith(word))

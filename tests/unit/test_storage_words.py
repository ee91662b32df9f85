"""The one rule of what a word is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search_service.storage.words import LONGEST_WORD, document_words, sought_words, split_words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ()),
        (" .,-_!? ", ()),
        ("mnist-5k", ("mnist", "5k")),
        ("resnet_18 ResNet", ("resnet", "18")),
        ("Größe STRASSE straße", ("grösse", "strasse")),
        ("cafe\u0301 café", ("café",)),
        ("ﬁne ½", ("fine", "1", "2")),
        ("数字 认识", ("数字", "认识")),
        ("a🦊b", ("a", "b")),
        ('"x* AND y"', ("x", "and", "y")),
        ("x" * 1000, ("x" * LONGEST_WORD,)),
    ],
)
def test_words(text: str, words: tuple[str, ...]) -> None:
    assert split_words(text) == words


def test_name_and_description_do_not_run_together() -> None:
    assert document_words("mnist", "digits") == ("mnist", "digits")


def test_a_word_that_a_longer_one_implies_is_not_sought() -> None:
    assert sought_words("dig digits data digi d") == ("data", "digits")


@given(st.text())
def test_words_hold_letters_and_digits_only(text: str) -> None:
    words = split_words(text)
    assert all(word and word.isalnum() for word in words)
    assert len(set(words)) == len(words)
    assert split_words(" ".join(words)) == words


@given(st.text(alphabet="abAB é-_1", max_size=30), st.text(alphabet="abAB é-_1", max_size=60))
def test_dropping_implied_words_changes_no_answer(sought: str, document: str) -> None:
    def found(wanted: tuple[str, ...]) -> bool:
        return all(any(word.startswith(one) for word in split_words(document)) for one in wanted)

    assert found(sought_words(sought)) == found(split_words(sought))

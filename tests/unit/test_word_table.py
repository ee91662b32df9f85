"""The shipped table of word meanings, and the classes of words."""

from __future__ import annotations

import numpy as np
import pytest

from msearch_sketch import SpaceError, word_table
from msearch_sketch.featurisers.text_words import MEANINGS
from msearch_sketch.text_tokens import hash_words
from msearch_sketch.word_classes import WORD_CLASSES
from msearch_sketch.word_table import look_up


def vectors(*words: str) -> np.ndarray:
    table = word_table.word_table()
    places = look_up(hash_words(words), table.hashes)
    assert (places >= 0).all()
    return table.vectors[places].astype(float)


def test_the_table_is_sorted_and_small():
    table = word_table.word_table()
    assert (np.diff(table.hashes.astype(object)) > 0).all()
    assert table.vectors.shape == (len(table.hashes), MEANINGS)
    assert len(word_table.FILE.read_bytes()) < 1_000_000
    assert np.abs(table.valences).max() <= 100


def test_related_words_are_near_and_frequent_words_short():
    doctor, nurse, boat, the = vectors("doctor", "nurse", "boat", "the")

    def cosine(a, b):
        return a @ b / np.linalg.norm(a) / np.linalg.norm(b)

    assert cosine(doctor, nurse) > cosine(doctor, boat) + 0.3
    assert np.linalg.norm(the) < 0.1 * np.linalg.norm(boat)


def test_valences_have_the_right_sign():
    table = word_table.word_table()
    words = ("wonderful", "pleasant", "horrible", "disease", "table", "tuesday")
    valences = table.valences[look_up(hash_words(words), table.hashes)]
    assert (valences[:2] > 30).all()
    assert (valences[2:4] < -30).all()
    assert (valences[4:] == 0).all()


def test_a_hash_that_is_not_there_has_no_place():
    known = np.array([3, 5, 9], np.uint64)
    assert look_up(np.array([9, 4, 3, 10, 0], np.uint64), known).tolist() == [2, -1, 0, -1, -1]


def test_a_missing_table_is_reported(monkeypatch, tmp_path):
    word_table.word_table.cache_clear()
    monkeypatch.setattr(word_table, "FILE", tmp_path / "nothing")
    with pytest.raises(SpaceError, match="missing from the package"):
        word_table.word_table()
    word_table.word_table.cache_clear()


def test_no_word_is_in_two_classes():
    words = [word for members in WORD_CLASSES.values() for word in members]
    assert len(words) == len(set(words))
    assert len(np.unique(hash_words(words))) == len(words)

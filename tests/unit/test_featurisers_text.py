"""What the text features see."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from msearch_sketch import DatasetError
from msearch_sketch.featurisers import default_featuriser
from msearch_sketch.featurisers.base import Columns
from msearch_sketch.spaces import TICKS_PER_UNIT

FEATURISER = default_featuriser("text")
COLUMNS = Columns(("text",), ("string",))
SPACE = FEATURISER.fixed_space(COLUMNS)


def features(*texts: str | None):
    return FEATURISER.transform(pa.record_batch({"text": pa.array(texts, pa.string())}), COLUMNS, SPACE)


def cosine(first: str, second: str) -> float:
    one, other = features(first, second).ticks.astype(float)
    return float(one @ other / np.linalg.norm(one) / np.linalg.norm(other))


def test_every_text_has_the_same_length():
    found = features("short", "a much longer text " * 40, "Ω", "日本語のテキスト", "7")
    assert np.linalg.norm(found.ticks / TICKS_PER_UNIT, axis=1) == pytest.approx([2] * 5, abs=0.01)


def test_case_and_white_space_do_not_count():
    one, other = features("The  quick\nbrown FOX", " the quick brown fox ").ticks
    assert np.array_equal(one, other)


def test_related_texts_are_nearer_than_unrelated():
    review = "this phone has a great battery and the camera is wonderful"
    assert cosine(review, "the camera of this phone is great, and so is its battery") > 0.5
    assert cosine(review, "senators vote on the annual budget of foreign affairs") < 0.35
    assert cosine("connection", "connections") > 0.5


def test_punctuation_counts():
    assert cosine("what a day", "what a day!!!") < 0.99


def test_a_text_does_not_depend_on_its_neighbours():
    texts = [f"text number {i} about {'cats' if i % 2 else 'dogs'}" for i in range(300)]
    together = features(*texts).ticks
    alone = np.concatenate([features(text).ticks for text in texts[:20]])
    assert np.array_equal(together[:20], alone)
    assert np.array_equal(features(*texts[::-1]).ticks[::-1], together)


def test_blank_texts_are_skipped():
    found = features("one", None, "", " \t\n ", "two")
    assert found.kept.tolist() == [True, False, False, False, True]
    assert "blank" in found.problem
    assert features(None, "").ticks.shape == (0, 64)
    assert features().ticks.shape == (0, 64)


def test_words_of_scripts_without_spaces_are_found():
    assert cosine("猫が好きです", "犬が好きです") > cosine("猫が好きです", "天気予報は雨") + 0.2


def test_astral_characters_and_nulls_are_characters():
    assert features("😀😀", "a\0b", "ﬀ", "İ" * 20_000).kept.all()


def test_very_long_texts_count_up_to_a_limit():
    one, other = features("word " * 2000, "word " * 2000 + "and a different end " * 500).ticks
    assert np.array_equal(one, other)


def test_text_that_is_not_utf8_is_skipped():
    raw = pa.array([b"good", b"\xff\xfe bad", None, b"fine"], pa.binary())
    broken = pa.Array.from_buffers(pa.string(), 4, raw.buffers())
    found = FEATURISER.transform(pa.record_batch({"text": broken}), COLUMNS, SPACE)
    assert found.kept.tolist() == [True, False, False, True]
    assert "UTF-8" in found.problem


def test_dictionaries_and_large_strings_are_strings():
    plain = features("a b", "c d", "a b").ticks
    for column in (
        pa.array(["a b", "c d", "a b"]).dictionary_encode(),
        pa.array(["a b", "c d", "a b"], pa.large_string()),
    ):
        assert np.array_equal(FEATURISER.transform(pa.record_batch({"text": column}), COLUMNS, SPACE).ticks, plain)


def test_other_columns_are_refused():
    with pytest.raises(DatasetError, match="must hold strings"):
        FEATURISER.transform(pa.record_batch({"text": pa.array([1])}), COLUMNS, SPACE)

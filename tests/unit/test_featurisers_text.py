"""What the text features see: of both featurisers, of each alone, and that old spaces stay readable."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from msearch_sketch import DatasetError, SpaceError
from msearch_sketch.featurisers import get_featuriser
from msearch_sketch.featurisers.base import Columns
from msearch_sketch.featurisers.text_words import MEANINGS
from msearch_sketch.spaces import TICKS_PER_UNIT, FeatureSpace
from msearch_sketch.text_style import STYLES

COLUMNS = Columns(("text",), ("string",))
HASH, WORDS = "text-hash@1", "text-words@1"
both = pytest.mark.parametrize("name", [HASH, WORDS])


def transform(name: str, column: pa.Array):
    featuriser = get_featuriser(name)
    return featuriser.transform(pa.record_batch({"text": column}), COLUMNS, featuriser.fixed_space(COLUMNS))


def features(name: str, *texts: str | None):
    return transform(name, pa.array(texts, pa.string()))


def cosine(name: str, first: str, second: str) -> float:
    """Of the hashed features, or of the meanings."""
    one, other = features(name, first, second).ticks.astype(float)[:, : MEANINGS if name == WORDS else None]
    return float(one @ other / np.linalg.norm(one) / np.linalg.norm(other))


def style(text: str) -> dict[str, float]:
    ticks = features(WORDS, text).ticks[0, MEANINGS : MEANINGS + len(STYLES)]
    return dict(zip(STYLES, ticks.tolist(), strict=True))


def valence(text: str) -> tuple[int, int, int]:
    praise, blame, balance = features(WORDS, text).ticks[0, MEANINGS + len(STYLES) :].tolist()
    return praise, blame, balance


@pytest.mark.parametrize(("name", "columns"), [(HASH, slice(None)), (WORDS, slice(MEANINGS))])
def test_every_text_has_the_same_length(name, columns):
    found = features(name, "short", "a much longer text " * 40, "Ω", "日本語のテキスト", "xyzzy quux")
    assert np.linalg.norm(found.ticks[:, columns] / TICKS_PER_UNIT, axis=1) == pytest.approx([2] * 5, abs=0.01)


@both
def test_white_space_does_not_count(name):
    one, other = features(name, "The  quick\nbrown FOX", " The quick brown FOX ").ticks
    assert np.array_equal(one, other)


def test_case_counts_as_style_alone():
    assert np.array_equal(*features(HASH, "The quick brown FOX", "the quick brown fox").ticks)
    one, other = features(WORDS, "The quick brown FOX", "the quick brown fox").ticks
    differ = np.flatnonzero(one != other) - MEANINGS
    assert [STYLES[place] for place in differ] == ["capital", "capitals"]


@both
def test_related_texts_are_nearer_than_unrelated(name):
    review = "this phone has a great battery and the camera is wonderful"
    assert cosine(name, review, "the camera of this phone is great, and so is its battery") > 0.5
    assert cosine(name, review, "senators vote on the annual budget of foreign affairs") < 0.35
    assert cosine(name, "connection", "connections") > 0.5


def test_texts_that_share_no_word_can_mean_the_same():
    one, other = "the doctor examined her patient", "a nurse treats people in hospital"
    far = "three boats sailed towards an island"
    assert cosine(WORDS, one, other) > cosine(WORDS, one, far) + 0.3
    assert cosine(WORDS, one, other) > cosine(HASH, one, other) + 0.3


def test_unknown_words_are_near_their_relatives():
    words = ("Brückengeländer", "Straßenbeleuchtung", "smörgåsbordet", "contraseñas", "übermütigkeiten")
    related = [cosine(WORDS, word, word[:-2]) for word in words]
    others = [abs(cosine(WORDS, one, other)) for one in words for other in words if one != other]
    assert np.mean(related) > np.mean(others) + 0.25


@both
def test_punctuation_counts(name):
    one, other = features(name, "what a day", "what a day!!!").ticks.astype(float)
    assert np.linalg.norm(one - other) > 100


@pytest.mark.parametrize(
    ("name", "much", "little"),
    [
        ("first_person", "I told my friends about us", "they told his friends about them"),
        ("modal", "you should go, it might rain", "you go, it rains"),
        ("negation", "I don't know and never will", "I know and always will"),
        ("article", "the cat on a mat in the hall", "cats on mats in halls"),
        ("ed", "he walked and talked", "he walks and talks"),
        ("noun", "the reduction of government activity", "they did less"),
        ("exclamation", "no! stop! now!", "no. stop. now."),
        ("digits", "in 1994 they sold 12 of 300", "in that year they sold a few of them"),
        ("comma", "red, green, blue, grey", "red green blue grey"),
        ("word_length", "institutional responsibilities notwithstanding", "we go on as we do"),
        (
            "sentence_length",
            "one two three four five six seven eight",
            "one. two. three. four. five. six. seven. eight.",
        ),
        ("length", "a b c d e f g", "a b"),
        ("capitals", "THIS IS LOUD", "This Is Loud"),
        ("quotation", '"yes", he said, "yes"', "yes he said yes"),
        ("symbol", "#cats @home & more", "cats home more"),
    ],
)
def test_styles_are_what_they_are_called(name, much, little):
    assert style(much)[name] > style(little)[name] + 20


def test_marks_are_not_words_but_characters_that_are_words_are():
    assert style("a , . ! ? b")["length"] == style("a b")["length"]
    assert style("猫が好き")["length"] == style("a b c d")["length"]


def test_praise_and_blame_are_told_apart_and_turned_by_negation():
    good, bad, neither = valence("a wonderful film"), valence("a horrible film"), valence("a film of two hours")
    assert good[0] > neither[0] > 0
    assert bad[1] > neither[1] > 0
    assert good[2] > 100 > -100 > bad[2]
    assert valence("it was not wonderful")[2] < -50
    assert valence("it isn't horrible")[2] > 50
    assert valence("not today, but tomorrow it will be wonderful")[2] > 100


def test_a_negation_does_not_reach_into_the_next_text():
    alone = features(WORDS, "wonderful").ticks[0]
    assert np.array_equal(features(WORDS, "not", "wonderful").ticks[1], alone)


@both
def test_a_text_does_not_depend_on_its_neighbours(name):
    texts = [f"Text number {i} about {'cats' if i % 2 else 'xdogsx'}" for i in range(300)]
    together = features(name, *texts).ticks
    alone = np.concatenate([features(name, text).ticks for text in texts[:20]])
    assert np.array_equal(together[:20], alone)
    assert np.array_equal(features(name, *texts[::-1]).ticks[::-1], together)


@both
def test_blank_texts_are_skipped(name):
    found = features(name, "one", None, "", " \t\n ", "two")
    assert found.kept.tolist() == [True, False, False, False, True]
    assert "blank" in found.problem
    assert features(name, None, "").ticks.shape == (0, 64)
    assert features(name).ticks.shape == (0, 64)


@both
def test_words_of_scripts_without_spaces_are_found(name):
    assert cosine(name, "猫が好きです", "犬が好きです") > cosine(name, "猫が好きです", "天気予報は雨") + 0.2


@both
def test_any_characters_can_be_read(name):
    assert features(name, "😀😀", "a\0b", "ﬀ", "İ" * 20_000, "...", "7", "\ufffd", "A" * 10_000).kept.all()


@both
def test_very_long_texts_count_up_to_a_limit(name):
    one, other = features(name, "word " * 2000, "word " * 2000 + "and a different End! " * 500).ticks
    assert np.array_equal(one, other)


@both
def test_text_that_is_not_utf8_is_skipped(name):
    raw = pa.array([b"good", b"\xff\xfe bad", None, b"fine"], pa.binary())
    found = transform(name, pa.Array.from_buffers(pa.string(), 4, raw.buffers()))
    assert found.kept.tolist() == [True, False, False, True]
    assert "UTF-8" in found.problem


@both
def test_dictionaries_and_large_strings_are_strings(name):
    plain = features(name, "a b", "c d", "a b").ticks
    for column in (
        pa.array(["a b", "c d", "a b"]).dictionary_encode(),
        pa.array(["a b", "c d", "a b"], pa.large_string()),
    ):
        assert np.array_equal(transform(name, column).ticks, plain)


@both
def test_other_columns_are_refused(name):
    with pytest.raises(DatasetError, match="must hold strings"):
        transform(name, pa.array([1]))


def test_weights_of_a_space_are_checked_and_kept():
    featuriser = get_featuriser(WORDS)
    space = featuriser.fixed_space(COLUMNS)
    batch = pa.record_batch({"text": ["a good day"]})
    for damage in (None, -1, 1.5, True, 10**6):
        damaged = FeatureSpace.from_document(space.document)
        damaged.parameters["style"] = damage
        with pytest.raises(SpaceError, match="style"):
            featuriser.transform(batch, COLUMNS, damaged)
    other = FeatureSpace.from_document(space.document)
    other.parameters["style"] = 0
    assert other.digest != space.digest
    assert not featuriser.transform(batch, COLUMNS, other).ticks[0, MEANINGS : MEANINGS + len(STYLES)].any()

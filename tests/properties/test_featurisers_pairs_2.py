"""pairs-similarity@2, and the comparison of phrases under it."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from msearch_sketch import default_space, open_dataset
from msearch_sketch.errors import DatasetError
from msearch_sketch.featurisers.base import Columns
from msearch_sketch.featurisers.pairs_similarity_2 import FEATURISER, STRETCHES
from msearch_sketch.phrase_comparison import LIKENESSES, compare_phrases, word_similarity
from msearch_sketch.phrases import read_phrase
from msearch_sketch.spaces import TICKS_PER_UNIT
from msearch_sketch.text_similarity import SIMILARITY_ONE

WORDS = st.sampled_from(
    ["Museum", "of", "Art", "art", "Arts", "1994", "94", "II", "2nd", "St.", "Saint", "(song)", "é,"]
)
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=30) | st.lists(WORDS).map(" ".join)
ATTRIBUTES = ("brand", "name", "note")
RECORDS = st.fixed_dictionaries(dict.fromkeys(ATTRIBUTES, st.none() | TEXTS))


def _transform(left, right, names=ATTRIBUTES):
    columns = {f"{side}_{name}": pa.array([record.get(name)], pa.string()) for name in names
               for side, record in (("left", left), ("right", right))}  # fmt: skip
    dataset = open_dataset(pa.table(columns))
    batch = pa.RecordBatch.from_pydict(columns)
    return FEATURISER.transform(batch, dataset.columns, FEATURISER.fixed_space(dataset.columns))


def _compare(a, b):
    phrases = read_phrase(a), read_phrase(b)
    return {n: v / SIMILARITY_ONE for n, v in zip(LIKENESSES, compare_phrases(*phrases), strict=True)}


def _likenesses(found):
    (ticks,) = found.ticks
    return {n: t / TICKS_PER_UNIT / STRETCHES[n] + 0.5 for n, t in zip(LIKENESSES, ticks, strict=True)}


def test_it_is_small_and_the_default_stays():
    dataset = open_dataset(pa.table({"left_t": ["a"], "right_t": ["b"]}))
    assert FEATURISER.fixed_space(dataset.columns).dimension == len(LIKENESSES) == len(STRETCHES) <= 64
    assert default_space(dataset).featuriser == "pairs-similarity@1"


@given(TEXTS, TEXTS)
def test_likenesses_lie_between_zero_and_one_and_have_no_direction(a, b):
    first, second = read_phrase(a), read_phrase(b)
    assume(first and second)
    found = compare_phrases(first, second)
    assert all(0 <= value <= SIMILARITY_ONE for value in found)
    assert found == compare_phrases(second, first)


@given(TEXTS)
def test_a_text_is_like_itself(text):
    assume(read_phrase(text))
    found = _compare(text, text)
    assert {found[name] for name in LIKENESSES if name not in ("size", "numbers")} == {1}
    assert found["numbers"] in (0.5, 1)


@given(RECORDS, RECORDS, st.permutations(ATTRIBUTES))
def test_swapping_the_sides_and_renaming_attributes_change_nothing(left, right, names):
    rename = dict(zip(ATTRIBUTES, names, strict=True))
    renamed = [{rename[name]: value for name, value in record.items()} for record in (right, left)]
    before, after = _transform(left, right), _transform(*renamed)
    np.testing.assert_array_equal(before.ticks, after.ticks)
    np.testing.assert_array_equal(before.kept, after.kept)


@given(TEXTS, TEXTS, st.integers(1, 4))
def test_more_of_the_same_attribute_changes_nothing(a, b, times):
    assume(read_phrase(a) and read_phrase(b))
    names = [f"copy {number}" for number in range(times)]
    repeated = _transform(dict.fromkeys(names, a), dict.fromkeys(names, b), names)
    np.testing.assert_array_equal(repeated.ticks, _transform({"t": a}, {"t": b}, ["t"]).ticks)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("Café, NAÏVE  Straße!", "cafe naive strasse"),
        ("U.S. Route 2nd", "us route second"),
        ("Henry VIII", "henry 8"),
        ("J. League 1", "J.League 01"),
        ("Strauch's newt", "Strauchs Newt"),
    ],
)
def test_spellings_of_the_same_words_are_equal(a, b):
    assert _compare(a, b)["exact"] == 1


def test_known_likenesses():
    found = _compare("1998 Open Championship (golf)", "1997 Open Championship")
    # Left over: 1998 and golf, and 1997; golf is neither in the head nor written with a capital.
    assert found["leftover"] == pytest.approx((1 / 2 + 1 / 2 + 1 / 2) / 3, abs=1e-4)
    assert found["leftover_more"] == pytest.approx((1 / 3 + 1 / 2 + 1 / 2) / 3, abs=1e-4)
    assert (found["worst"], found["numbers"], found["number_replaced"], found["number_added"]) == (0, 0, 0, 1)
    assert found["added"] == pytest.approx(1 - 4 / 12, abs=1e-4)
    assert found["head"] == pytest.approx((1 / 2 + 0) / 2, abs=1e-4)
    assert found["tail"] == 0.5
    assert found["contained"] == pytest.approx((2 / 3 + 2 / 3 + 1 - 4 / 20) / 3, abs=1e-4)
    assert found["size"] == pytest.approx(16 / 28, abs=1e-4)


def test_a_qualifier_in_brackets_costs_less_than_another_name():
    qualified, other = _compare("Refrain", "Refrain (song)"), _compare("Refrain", "Refrain Holler")
    for name in ("leftover_more", "head", "added"):
        assert qualified[name] > other[name]
    assert qualified["leftover"] == 1


def test_another_number_tells_and_an_added_one_tells_less():
    assert _compare("Final 1994", "Final 1998")["number_replaced"] == 0
    added = _compare("Final 1994", "Final")
    assert (added["number_replaced"], added["number_added"]) == (1, 0)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [("1994", "94", 0.9), ("2005", "5", 0.9), ("1994", "93", 0), ("1994", "1995", 0), ("j", "john", 0.75),
     ("j", "mary", 0), ("dep", "department", 0.85), ("x", "4", 0), ("smith", "smyth", 0.8 + 0.1 * 2 * 0.2),
     ("abc", "xyz", 0)],
)  # fmt: skip
def test_similarities_of_words(a, b, expected):
    assert word_similarity(a, b) == word_similarity(b, a) == pytest.approx(expected)


def test_the_attribute_that_differs_most_decides_what_is_left_over():
    left = {"name": "Hotel Bel Air", "phone": "310 472 1211"}
    found = _likenesses(_transform(left, {"name": "Hotel Bel Air", "phone": "310 472 5234"}, ["name", "phone"]))
    assert found["number_replaced"] == pytest.approx(0, abs=1e-3)
    assert found["exact"] == pytest.approx(0.5, abs=1e-3)


def test_missing_attributes_are_left_out_and_blank_pairs_skipped():
    some = _transform({"name": "drill", "note": None, "brand": "A"}, {"name": "drill", "note": " ", "brand": None})
    np.testing.assert_array_equal(some.ticks, _transform({"name": "drill"}, {"name": "drill"}).ticks)
    apart = _transform({"name": "drill"}, {"note": "drill"})
    assert set(_likenesses(apart).values()) == {0}
    none = _transform({"name": None}, {"name": " "})
    assert (none.kept.tolist(), none.problem) == ([False], "row 0 of the batch: both records are blank")


def test_many_unshared_words_are_bounded():
    words = [[letter * length for length in range(1, 60)] for letter in "cd"]
    found = _compare(*map(" ".join, words))
    assert found["leftover"] <= 1 / 3
    assert found["words"] < 0.5


def test_columns_that_are_no_pairs_are_refused():
    batch = pa.RecordBatch.from_pydict({"left": [{"a": 1}], "right": [{"b": 1}]})
    with pytest.raises(DatasetError, match="no attribute of the same name"):
        FEATURISER.transform(batch, Columns(("left", "right"), ("struct", "struct")), FEATURISER.fixed_space(None))

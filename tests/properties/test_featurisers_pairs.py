"""pairs-similarity and the text similarities under it."""

from __future__ import annotations

import difflib

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from msearch_sketch.datasets import open_dataset
from msearch_sketch.errors import DatasetError
from msearch_sketch.featurisers.pairs_similarity import FEATURE_NAMES, FEATURISER, compare_records
from msearch_sketch.spaces import TICKS_PER_UNIT
from msearch_sketch.text_similarity import SIMILARITIES, SIMILARITY_ONE, compare_texts, profile_text

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=40)
VALUES = st.none() | TEXTS
ATTRIBUTES = ("brand", "name", "note")
RECORDS = st.fixed_dictionaries(dict.fromkeys(ATTRIBUTES, VALUES))


def _compare(left, right, names=ATTRIBUTES):
    columns = {f"{side}_{name}": pa.array([record.get(name)], pa.string()) for name in names
               for side, record in (("left", left), ("right", right))}  # fmt: skip
    dataset = open_dataset(pa.table(columns))
    batch = pa.RecordBatch.from_pydict(columns)
    return compare_records(batch, dataset.columns)


def _texts(a, b):
    first, second = profile_text(a), profile_text(b)
    assert first is not None
    assert second is not None
    return {
        name: value / SIMILARITY_ONE for name, value in zip(SIMILARITIES, compare_texts(first, second), strict=True)
    }


@given(RECORDS, RECORDS)
def test_features_lie_between_zero_and_one(left, right):
    features, _ = _compare(left, right)
    assert features.shape == (1, len(FEATURE_NAMES))
    assert (features >= 0).all()
    assert (features <= 1).all()


@given(RECORDS, RECORDS)
def test_swapping_the_sides_changes_nothing(left, right):
    np.testing.assert_array_equal(_compare(left, right)[0], _compare(right, left)[0])


@given(RECORDS, RECORDS, st.permutations(ATTRIBUTES))
def test_renaming_attributes_changes_nothing(left, right, names):
    """Aggregates forget which attribute was which."""
    rename = dict(zip(ATTRIBUTES, names, strict=True))
    renamed = [{rename[name]: value for name, value in record.items()} for record in (left, right)]
    np.testing.assert_array_equal(_compare(left, right)[0], _compare(*renamed)[0])


@given(RECORDS)
def test_equal_records_are_as_similar_as_can_be(record):
    features, kept = _compare(record, record)
    assume(kept[0])
    found = dict(zip(FEATURE_NAMES, features[0], strict=True))
    assert found["exact_smallest"] == found["edit_mean"] == found["record_tokens"] == found["weakest_smallest"] == 1
    assert found["one_missing"] == 0


@given(TEXTS, TEXTS)
def test_edit_similarity_is_that_of_the_longest_common_subsequence(a, b):
    first, second = profile_text(a), profile_text(b)
    assume(first is not None and second is not None and first.text != second.text)
    lengths = np.zeros((len(first.text) + 1, len(second.text) + 1), int)
    for i, x in enumerate(first.text):
        for j, y in enumerate(second.text):
            lengths[i + 1, j + 1] = lengths[i, j] + 1 if x == y else max(lengths[i, j + 1], lengths[i + 1, j])
    expected = 2 * lengths[-1, -1] / (len(first.text) + len(second.text))
    assert compare_texts(first, second)[SIMILARITIES.index("edit")] == round(expected * SIMILARITY_ONE)


def test_known_similarities():
    found = _texts("Apple iPhone 6s", "apple iphone 7 plus")
    assert found["tokens"] == pytest.approx(2 / 5, abs=1e-4)
    assert found["overlap"] == pytest.approx(2 / 3, abs=1e-4)
    assert found["long_tokens"] == pytest.approx(11 / 18, abs=1e-4)
    assert found["prefix"] == pytest.approx(13 / 15, abs=1e-4)
    assert found["length"] == pytest.approx(15 / 19, abs=1e-4)
    assert (found["numbers"], found["exact"]) == (0, 0)
    assert found["edit"] >= difflib.SequenceMatcher(None, "apple iphone 6s", "apple iphone 7 plus").ratio() - 1e-4


def test_case_accents_and_punctuation_do_not_count():
    assert _texts("Café, NAÏVE  Straße!", "cafe naive strasse")["exact"] == 1


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ("100", "90", 0.9),
        ("$1,000.00", "1000", 1),
        ("-5", "5", 0),
        ("0", "0", 1),
        ("a1 b2", "b2", 0.5),
        ("x", "y", 0.5),
    ],
)
def test_numbers_are_compared_by_value_else_by_the_words_with_digits(a, b, expected):
    assert _texts(a, b)["numbers"] == pytest.approx(expected, abs=1e-4)


def test_a_typo_costs_less_than_another_word():
    typo, other = _texts("John Smith", "John Smyth"), _texts("John Smith", "John Brown")
    assert typo["tokens"] == other["tokens"]
    for name in ("weakest", "rest", "edit", "joined", "trigrams"):
        assert typo[name] > other[name]


def test_missing_attributes_are_counted_and_left_out():
    left = {"brand": "Acme", "name": "drill", "note": None}
    features, kept = _compare(left, {"brand": None, "name": "drill", "note": " "})
    found = dict(zip(FEATURE_NAMES, features[0], strict=True))
    assert kept.all()
    assert (found["exact_mean"], found["exact_smallest"]) == (1, 1)
    assert found["one_missing"] == pytest.approx(1 / 3)
    assert found["both_missing"] == pytest.approx(1 / 3)


def test_blank_pairs_are_skipped_with_a_reason():
    dataset = open_dataset(pa.table({"left_t": ["a", "", None], "right_t": ["b", None, " "]}))
    (batch,) = dataset.batches()
    found = FEATURISER.transform(batch, dataset.columns, FEATURISER.fixed_space(dataset.columns))
    assert found.kept.tolist() == [True, False, False]
    assert found.problem == "row 1 of the batch: both records are blank"


def test_structs_and_prefixed_columns_give_the_same_features():
    rows = [("drill", 5, 9.5), ("saw", None, 3.0), (None, 7, None)]
    fields = ("name", "year", "price")
    left = [dict(zip(fields, row, strict=True)) for row in rows]
    right = [dict(zip(fields, row, strict=True)) for row in rows[::-1]]
    structs = open_dataset(pa.table({"left": left, "right": right}))
    flat = {f"{side}_{name}": [record[name] for record in records]
            for side, records in (("left", left), ("right", right)) for name in fields}  # fmt: skip
    columns = open_dataset(pa.table(flat))
    found = [FEATURISER.transform(next(d.batches()), d.columns, FEATURISER.fixed_space(d.columns)).ticks
             for d in (structs, columns)]  # fmt: skip
    np.testing.assert_array_equal(*found)


def test_whole_floats_equal_integers():
    table = pa.table({"left_n": pa.array([5.0, 2.5]), "right_n": pa.array([5, 2])})
    dataset = open_dataset(table)
    features, _ = compare_records(next(dataset.batches()), dataset.columns)
    exact = FEATURE_NAMES.index("exact_mean")
    assert features[:, exact].tolist() == [1, 0]


def test_structs_without_a_common_attribute_are_refused():
    dataset = open_dataset(pa.table({"left": [{"a": 1}], "right": [{"b": 1}]}))
    with pytest.raises(DatasetError, match="no attribute of the same name"):
        compare_records(next(dataset.batches()), dataset.columns)


@given(RECORDS, RECORDS)
@settings(max_examples=30)
def test_ticks_are_the_features_stretched(left, right):
    features, kept = _compare(left, right)
    assume(kept[0])
    columns = {f"{side}_{name}": pa.array([record[name]], pa.string()) for name in ATTRIBUTES
               for side, record in (("left", left), ("right", right))}  # fmt: skip
    dataset = open_dataset(pa.table(columns))
    found = FEATURISER.transform(
        pa.RecordBatch.from_pydict(columns), dataset.columns, FEATURISER.fixed_space(dataset.columns)
    )
    np.testing.assert_allclose(found.ticks / TICKS_PER_UNIT, (features - 0.5) * 3, atol=0.5 / TICKS_PER_UNIT)


@given(st.lists(st.sampled_from("abcdefghij"), min_size=200, max_size=400))
@settings(max_examples=5)
def test_long_texts_are_compared_too(words):
    text = " ".join(words)
    found = _texts(text, text[::-1])
    assert found["tokens"] == 1
    assert found["length"] == 1

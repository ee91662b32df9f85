"""`sketch` on real and on bad datasets."""

from __future__ import annotations

import io

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

import msearch_sketch
from msearch_sketch import (
    DatasetError,
    Signature,
    SpaceError,
    default_space,
    merge,
    open_dataset,
    sketch,
    validation_statistics,
)
from msearch_sketch.spaces import TICKS_PER_UNIT

WORDS = ("alpha", "beta", "gamma", "delta")
PROBABILITIES = np.random.default_rng(4).dirichlet([1, 1], 40)


def texts(rows: int = 40, **columns) -> pa.Table:
    return pa.table({"text": [f"{WORDS[i % 4]} {i} {WORDS[i % 3]}" for i in range(rows)], **columns})


def sketch_texts(rows: int = 40, *, columns=None, **options):
    return sketch(open_dataset(texts(rows, **(columns or {}))), **options)


def png(seed: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (8, 8), dtype=np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def test_a_sketch_says_what_is_in_it():
    seen = []
    result = sketch_texts(40, progress=seen.append)
    assert (result.rows, result.skipped, result.problem) == (40, 0, "")
    assert result.signature.row_count == 40
    assert result.space.featuriser == "text-words@1"
    assert not result.signature.labelled
    assert seen[-1] == 40
    result.signature.check_space(result.space)
    assert Signature.from_bytes(result.signature.encoded) == result.signature


def test_two_strangers_get_the_same_bytes():
    table = texts(40)
    renamed = table.rename_columns(["comment"])
    assert sketch(open_dataset(table)).signature == sketch(open_dataset(renamed)).signature


def test_the_label_column_gives_the_classes():
    labels = [str(i % 3) for i in range(39)] + [None]
    found = sketch_texts(columns={"label": labels}).signature
    assert found.classes == ("0", "1", "2")
    assert found.class_counts.tolist() == [13, 13, 13]
    assert set(found.centroid_classes.tolist()) <= {0, 1, 2}
    assert found == sketch_texts(labels=labels).signature
    assert found == sketch_texts(labels=[None if label is None else int(label) for label in labels]).signature
    assert found == sketch_texts(labels=pa.array(labels).dictionary_encode()).signature
    assert found == sketch_texts(labels=np.array([float(label) if label else np.nan for label in labels])).signature
    assert found == sketch_texts(labels=pa.chunked_array([labels[:7], labels[7:]])).signature


def test_told_classes_include_those_that_do_not_occur():
    found = sketch_texts(labels=["b"] * 40, classes=["c", "b", "a"]).signature
    assert found.classes == ("a", "b", "c")
    assert found.class_counts.tolist() == [0, 40, 0]
    assert found == sketch_texts(labels=[1] * 40, classes=["c", "b", "a"]).signature
    numbers = sketch_texts(labels=[20] * 40, classes=["10", "20"]).signature
    assert dict(zip(numbers.classes, numbers.class_counts.tolist(), strict=True)) == {"10": 0, "20": 40}
    assert sketch_texts(labels=[True, False] * 20).signature.classes == ("false", "true")


def test_probabilities_give_validation_statistics():
    labels = np.arange(40) % 2
    expected = validation_statistics(PROBABILITIES, labels)
    assert sketch_texts(labels=labels, probabilities=PROBABILITIES).signature.validation == expected
    names = [("yes", "no")[label] for label in labels]
    by_name = sketch_texts(labels=names, probabilities=PROBABILITIES, classes=["yes", "no"]).signature
    assert by_name.validation == expected
    alphabetical = sketch_texts(labels=names, probabilities=PROBABILITIES[:, ::-1]).signature
    assert alphabetical.validation == expected
    assert alphabetical.classes == by_name.classes == ("no", "yes")
    column = sketch_texts(columns={"label": labels}, probabilities=PROBABILITIES).signature
    assert column.validation == expected
    some = sketch_texts(labels=[0, 1, *[None] * 38], probabilities=PROBABILITIES).signature
    assert some.validation == validation_statistics(PROBABILITIES[:2], labels[:2])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"probabilities": PROBABILITIES}, "need labels"),
        ({"probabilities": PROBABILITIES, "labels": [0, 1, 2, 3] * 10}, "not among the classes"),
        ({"probabilities": PROBABILITIES, "labels": ["a", "b", "c", "d"] * 10}, "pass the names"),
        (
            {"probabilities": PROBABILITIES, "labels": [0, 1] * 20, "classes": ["a", "b", "c"]},
            "2 columns for 3 classes",
        ),
        ({"probabilities": PROBABILITIES[:39], "labels": [0, 1] * 20}, "39 rows of probabilities"),
        ({"probabilities": PROBABILITIES * 3, "labels": [0, 1] * 20}, "softmax"),
        ({"probabilities": PROBABILITIES, "labels": pa.nulls(40, pa.int64())}, "no labelled row"),
        ({"labels": [0] * 39}, "more rows than the 39 labels"),
        ({"labels": [0] * 41}, "41 labels"),
        ({"labels": [0.5] * 40}, "fractions"),
        ({"labels": [[0]] * 40}, "must be strings"),
        ({"labels": [0, "a"] * 20}, "labels cannot be read"),
        ({"labels": ["a"] * 40, "classes": ["b"]}, "'a' is not among the classes"),
        ({"labels": [2] * 40, "classes": ["b", "c"]}, "label 2 is no position"),
        ({"labels": ["b"] * 40, "classes": ["b", "b"]}, "twice"),
        ({"limit": 3}, "at least 5"),
    ],
)
def test_labels_and_outputs_that_do_not_fit_are_refused(options, message):
    with pytest.raises(DatasetError, match=message):
        sketch_texts(**options)


def test_limit_reads_the_first_rows_alone():
    assert sketch_texts(40, limit=12).signature == sketch_texts(12).signature
    assert sketch_texts(40, limit=12, labels=["a"] * 40).signature == sketch_texts(12, labels=["a"] * 12).signature
    assert sketch_texts(12, limit=400).rows == 12
    limited = sketch_texts(40, limit=10, labels=[0, 1] * 20, probabilities=PROBABILITIES).signature
    assert limited.validation.count == 10


def test_too_few_rows_are_refused():
    with pytest.raises(DatasetError, match="has 4 rows; at least 5"):
        sketch_texts(4)
    with pytest.raises(DatasetError, match="no rows"):
        sketch_texts(0)


def images(good: int, bad: int):
    return open_dataset(pa.table({"image": pa.array([b"broken"] * bad + [png(i) for i in range(good)], pa.binary())}))


def test_some_unreadable_rows_are_counted():
    result = sketch(images(50, 10))
    assert (result.rows, result.skipped) == (50, 10)
    assert "no image of a known format" in result.problem
    assert result.signature == sketch(images(50, 0)).signature


@pytest.mark.parametrize(("good", "bad"), [(50, 11), (0, 7), (4, 3)])
def test_many_unreadable_rows_are_an_error(good, bad):
    with pytest.raises(DatasetError, match=rf"{bad} of {good + bad} rows .* the first: .*known format"):
        sketch(images(good, bad))


def test_labels_stay_with_their_rows_where_rows_are_skipped():
    result = sketch(images(20, 3), labels=["bad"] * 3 + ["good"] * 20)
    counts = dict(zip(result.signature.classes, result.signature.class_counts.tolist(), strict=True))
    assert counts == {"bad": 0, "good": 20}


def test_a_space_of_another_modality_is_refused():
    with pytest.raises(SpaceError, match="holds image data, the space is for text data"):
        sketch(images(6, 0), default_space(open_dataset(texts())))


def test_parts_of_a_dataset_merge_into_the_whole():
    table = texts(300)
    parts = [sketch(open_dataset(table.slice(start, 100))) for start in (0, 100, 200)]
    whole = sketch(open_dataset(table))
    merged = merge([part.signature for part in parts], whole.space)
    assert np.array_equal(merged.keys, whole.signature.keys)
    assert np.array_equal(merged.mean, whole.signature.mean)


def test_no_row_can_be_read_off_a_small_signature():
    """Of the coreset; the keys are hashes."""
    table = pa.table({"v": pa.FixedSizeListArray.from_arrays(np.random.default_rng(0).normal(size=60), 6)})
    result = sketch(open_dataset(table))
    rows = np.array(table["v"].to_pylist())
    units = 2 * rows / np.linalg.norm(rows, axis=1, keepdims=True)
    gaps = np.abs(units[:, None] * TICKS_PER_UNIT - result.signature.centroids).max(axis=2)
    assert gaps.min() > 20
    assert result.signature.centroid_weights.min() >= 3


def test_the_public_names_exist():
    for name in msearch_sketch.__all__:
        assert getattr(msearch_sketch, name) is not None
    assert set(msearch_sketch.__all__) == set(dir(msearch_sketch))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = msearch_sketch.nothing

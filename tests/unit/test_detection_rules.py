"""What a schema says about its data: the table of rules, overrides, and the choices left to the caller."""

from __future__ import annotations

import pyarrow as pa
import pytest

from msearch_sketch.detection import detect
from msearch_sketch.errors import DatasetError

TEXT, FLAG, WHOLE, REAL = pa.string(), pa.bool_(), pa.int64(), pa.float64()
CATEGORY = pa.dictionary(pa.int32(), pa.string())
IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
RECORD = pa.struct([("title", pa.string()), ("year", pa.int32())])
SERIES = pa.list_(pa.float32())
CHANNELS = pa.list_(pa.list_(pa.float64()))
VECTOR = pa.list_(pa.float32(), 384)

DETECTED = [
    # columns, modality, data columns, their types, labels
    ({"image": pa.binary()}, "image", "image", "binary", None),
    ({"image": pa.large_binary(), "caption": TEXT, "label": WHOLE}, "image", "image", "binary", "label"),
    ({"img": IMAGE, "class": TEXT}, "image", "img", "struct", "class"),
    ({"text": TEXT}, "text", "text", "string", None),
    ({"text": pa.large_string(), "label": TEXT}, "text", "text", "string", "label"),
    ({"id": WHOLE, "text": pa.string_view()}, "text", "text", "string", None),
    ({"label": TEXT}, "text", "label", "string", None),
    ({"x": SERIES, "y": WHOLE}, "time_series", "x", "list<float>", "y"),
    ({"x": pa.large_list(pa.int16())}, "time_series", "x", "list<float>", None),
    ({"x": CHANNELS, "subject": TEXT, "hz": REAL}, "time_series", "x", "list<list<float>>", None),
    ({"x": pa.list_(SERIES, 6)}, "time_series", "x", "list<list<float>>", None),
    ({"v": VECTOR, "text": TEXT}, "embedding", "v", "vector[384]", None),
    ({"left": RECORD, "right": RECORD, "label": FLAG}, "pairs", "left right", "struct struct", "label"),
    ({"left_a": TEXT, "right_a": TEXT, "left_id": WHOLE}, "pairs", "left_a right_a", "string string", None),
    ({"left_a": REAL, "right_a": pa.int8(), "note": TEXT}, "pairs", "left_a right_a", "float integer", None),
    ({"left_a": pa.date32(), "right_a": pa.null()}, "pairs", "left_a right_a", "string string", None),
    ({"b": REAL, "a": WHOLE}, "tabular", "a b", "float float", None),
    ({"a": pa.decimal128(9, 2)}, "tabular", "a", "float", None),
    ({"a": REAL, "b": pa.uint8(), "c": TEXT}, "tabular", "a b c", "float float category", None),
    ({"a": CATEGORY, "b": FLAG}, "tabular", "a b", "category boolean", None),
    ({"a": CATEGORY, "b": TEXT}, "tabular", "a b", "category category", None),
    ({"a": REAL, "b": REAL, "Target": WHOLE}, "tabular", "a b", "float float", "Target"),
    ({"a": WHOLE, "b": WHOLE, "target": REAL}, "tabular", "a b target", "float float float", None),
    ({"text": TEXT, "label": pa.null()}, "text", "text", "string", None),
    ({"label": WHOLE}, "tabular", "label", "float", None),
]


@pytest.mark.parametrize(("columns", "modality", "names", "types", "labels"), DETECTED)
def test_the_schema_decides(columns, modality, names, types, labels):
    found = detect(pa.schema(columns))
    assert found.modality == modality
    assert found.columns.names == tuple(names.split())
    assert found.columns.types == tuple(types.split())
    assert found.labels == labels


OVERRIDDEN = [
    ({"a": TEXT, "b": TEXT}, {"column": "b"}, "text", ("b",), ("string",), None),
    ({"a": TEXT, "b": TEXT}, {"labels": "b"}, "text", ("a",), ("string",), "b"),
    ({"a": TEXT, "b": TEXT}, {"ignore": ["a"]}, "text", ("b",), ("string",), None),
    ({"a": TEXT, "b": TEXT}, {"modality": "tabular"}, "tabular", ("a", "b"), ("category", "category"), None),
    ({"a": TEXT, "n": REAL, "m": REAL}, {"modality": "text"}, "text", ("a",), ("string",), None),
    ({"a": REAL, "b": REAL, "y": WHOLE}, {"labels": ""}, "tabular", ("a", "b", "y"), ("float",) * 3, None),
    ({"a": SERIES}, {"modality": "embedding"}, "embedding", ("a",), ("list<float>",), None),
    ({"a": VECTOR}, {"modality": "time_series"}, "time_series", ("a",), ("list<float>",), None),
    ({"a": VECTOR, "b": SERIES}, {"modality": "time_series", "column": "b"}, "time_series",
     ("b",), ("list<float>",), None),
    ({"a": pa.binary(), "b": VECTOR}, {"column": "b"}, "embedding", ("b",), ("vector[384]",), None),
    ({"label": TEXT, "target": TEXT, "t": TEXT}, {"labels": "target", "column": "t"}, "text",
     ("t",), ("string",), "target"),
]  # fmt: skip


@pytest.mark.parametrize(("columns", "options", "modality", "names", "types", "labels"), OVERRIDDEN)
def test_the_caller_overrides(columns, options, modality, names, types, labels):
    found = detect(pa.schema(columns), **options)
    assert (found.modality, found.columns.names, found.columns.types, found.labels) == (modality, names, types, labels)


REFUSED = [
    ({"a": TEXT, "b": TEXT}, {}, "columns a, b hold text: choose one with --column"),
    ({"a": pa.binary(), "b": pa.binary()}, {}, "columns a (image), b (image) may hold the data: choose one"),
    ({"a": pa.binary(), "v": VECTOR}, {}, "a (image), v (embedding)"),
    ({"t": TEXT, "label": TEXT, "class": TEXT}, {}, "columns label, class may hold labels: choose one with --labels"),
    ({"a": REAL}, {"column": "b"}, "there is no column 'b'; the columns are a"),
    ({"a": REAL}, {"labels": "b"}, "there is no column 'b'"),
    ({"a": REAL}, {"ignore": ["b"]}, "there is no column 'b'"),
    ({"a": REAL}, {"modality": "audio"}, "modality 'audio' is unknown: choose one of image, text"),
    ({"a": REAL}, {"modality": "pairs"}, "pairs need two structs, or columns left_X and right_X"),
    ({"a": REAL}, {"modality": "image"}, "no column holds image: found a (double)"),
    ({"a": REAL}, {"modality": "text", "column": "a"}, "column 'a' has type double, which cannot be read as text"),
    ({"a": REAL, "d": pa.date32(), "b": REAL}, {}, "column 'd' has type date32[day]"),
    ({"a": REAL, "m": pa.map_(TEXT, REAL)}, {}, "column 'm' has type map<string, double>"),
    ({"a": pa.list_(TEXT)}, {}, "column 'a' has type list<"),
    ({"a": REAL, "b": pa.null()}, {}, "column 'b' is all missing"),
    ({"t": pa.null()}, {"column": "t"}, "column 't' is all missing"),
    ({"a": REAL, "x": TEXT}, {"column": "x", "labels": "x"}, "column 'x' is named twice"),
    ({"a": REAL, "x": TEXT}, {"column": "x", "ignore": ["x"]}, "column 'x' is named twice"),
    ({"t": TEXT, "x": SERIES}, {"labels": "x"}, "column 'x' cannot hold labels"),
    ({}, {}, "there is no column to read"),
]


@pytest.mark.parametrize(("columns", "options", "message"), REFUSED)
def test_what_is_ambiguous_or_wrong_is_refused_with_the_choices(columns, options, message):
    with pytest.raises(DatasetError) as caught:
        detect(pa.schema(columns), **options)
    assert message in str(caught.value)


def test_repeated_column_names_are_refused():
    with pytest.raises(DatasetError, match="more than one column is named a"):
        detect(pa.schema([("a", REAL), ("b", REAL), ("a", REAL)]))

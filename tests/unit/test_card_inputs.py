"""The input adapters against computations made by hand, and what they do with bad rows and wrong columns."""

from __future__ import annotations

import io
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from msearch_card import Card, InputError, parse_card
from msearch_card.inputs import ONLY_INPUT, prepare


def card_of(input: dict[str, Any], base: Path | None = None) -> Card:
    return parse_card({"name": "a", "task": "scoring", "modality": input["kind"], "input": input}, base=base)


def encode(pixels: np.ndarray, format: str = "PNG", **options: Any) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, format, **options)
    return stream.getvalue()


def image_card(**changes: Any) -> Card:
    return card_of({"kind": "image", "column": "image", "width": 4, "height": 3, "channels": 3} | changes)


RANDOM = np.random.default_rng(7)
RGB = RANDOM.integers(0, 256, (3, 4, 3), np.uint8)


class TestImage:
    @pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
    @pytest.mark.parametrize("invert", [False, True])
    def test_pixels_are_scaled_and_normalised(self, layout: str, invert: bool) -> None:
        mean, std = [0.1, 0.2, 0.3], [0.5, 0.6, 0.7]
        card = image_card(layout=layout, mean=mean, std=std, invert=invert)
        tensor = prepare(card, pa.record_batch({"image": [encode(RGB)] * 2})).tensors[ONLY_INPUT]
        pixels = 255.0 - RGB if invert else RGB.astype(float)
        expected = (pixels / 255 - mean) / std
        expected = expected.transpose(2, 0, 1) if layout == "NCHW" else expected
        assert tensor.dtype == np.float32
        assert tensor.flags.c_contiguous
        np.testing.assert_allclose(tensor, [expected, expected], atol=1e-6)

    def test_luminance_is_that_of_itu_r_601(self) -> None:
        tensor = prepare(image_card(channels=1, scale=1), pa.record_batch({"image": [encode(RGB)]})).tensors[ONLY_INPUT]
        expected = RGB @ np.array([0.299, 0.587, 0.114])
        assert tensor.shape == (1, 1, 3, 4)
        np.testing.assert_allclose(tensor[0, 0], expected, atol=0.51)

    def test_area_resizing_averages_blocks(self) -> None:
        pixels = RANDOM.integers(0, 256, (6, 12), np.uint8)
        card = image_card(channels=1, scale=1, resample="area")
        tensor = prepare(card, pa.record_batch({"image": [encode(pixels)]})).tensors[ONLY_INPUT]
        # Pillow rounds after each of the two directions.
        np.testing.assert_allclose(tensor[0, 0], pixels.reshape(3, 2, 4, 3).mean(axis=(1, 3)), atol=1.01)

    def test_nearest_resizing_repeats_pixels(self) -> None:
        pixels = RANDOM.integers(0, 256, (3, 2), np.uint8)
        card = image_card(channels=1, scale=1, resample="nearest")
        tensor = prepare(card, pa.record_batch({"image": [encode(pixels)]})).tensors[ONLY_INPUT]
        np.testing.assert_array_equal(tensor[0, 0], pixels.repeat(2, axis=1))

    def test_bilinear_resizing_weights_by_a_triangle(self) -> None:
        pixels = RANDOM.integers(0, 256, (1, 8), np.uint8)
        card = image_card(width=4, height=1, channels=1, scale=1)
        tensor = prepare(card, pa.record_batch({"image": [encode(pixels)]})).tensors[ONLY_INPUT]
        centres, places = (np.arange(4) + 0.5) * 2, np.arange(8) + 0.5
        weights = np.maximum(0, 1 - np.abs(places - centres[:, None]) / 2)
        expected = (weights / weights.sum(axis=1, keepdims=True)) @ pixels[0]
        np.testing.assert_allclose(tensor[0, 0, 0], expected, atol=1.01)

    def test_sixteen_bits_become_eight(self) -> None:
        pixels = np.array([[0, 256, 32_896, 65_535]] * 3, np.uint16)
        card = image_card(channels=1, scale=1)
        tensor = prepare(card, pa.record_batch({"image": [encode(pixels)]})).tensors[ONLY_INPUT]
        np.testing.assert_array_equal(tensor[0, 0, 0], [0, 0, 128, 255])

    def test_grey_palette_and_transparent_images_become_rgb(self) -> None:
        grey = encode(RGB[..., 0])
        transparent = encode(np.dstack([RGB, np.full((3, 4), 9, np.uint8)]))
        stream = io.BytesIO()
        Image.fromarray(RGB).quantize(12).save(stream, "PNG", transparency=0)
        batch = pa.record_batch({"image": [grey, transparent, stream.getvalue()]})
        prepared = prepare(image_card(layout="NHWC", scale=1), batch)
        assert prepared.kept.all()
        np.testing.assert_array_equal(prepared.tensors[ONLY_INPUT][1], RGB)

    def test_broken_images_are_skipped_and_the_first_is_named(self) -> None:
        good = encode(RGB, "JPEG")
        large = encode(np.zeros((8000, 8000), np.uint8))
        rows = [good, b"no image", None, b"", good[: len(good) // 2], large, good]
        prepared = prepare(image_card(), pa.record_batch({"image": rows}))
        assert prepared.kept.tolist() == [True, False, False, False, False, False, True]
        assert prepared.skipped == 5
        assert prepared.problem.startswith("row 1: the image cannot be read: ")
        assert prepared.tensors[ONLY_INPUT].shape == (2, 3, 3, 4)

    def test_a_decompression_bomb_is_skipped(self) -> None:
        bomb = encode(np.zeros((20_000, 10_000), np.uint8), compress_level=1)
        prepared = prepare(image_card(), pa.record_batch({"image": [bomb]}))
        assert prepared.skipped == 1

    def test_structs_and_large_binaries_are_read(self) -> None:
        data = encode(RGB)
        struct = pa.array([{"bytes": data, "path": "a.png"}, None])
        prepared = prepare(image_card(), pa.record_batch({"image": struct}))
        assert prepared.kept.tolist() == [True, False]
        large = pa.record_batch({"image": pa.array([data], pa.large_binary())})
        np.testing.assert_array_equal(prepare(image_card(), large).tensors[ONLY_INPUT], prepared.tensors[ONLY_INPUT])


class TestText:
    def test_raw_strings_are_kept_and_missing_ones_skipped(self) -> None:
        card = card_of({"kind": "text", "column": "t", "tensor": "words", "encoding": "raw"})
        prepared = prepare(card, pa.record_batch({"t": ["a", None, ""]}))
        assert prepared.tensors["words"].tolist() == ["a", ""]
        assert prepared.tensors["words"].dtype == object
        assert prepared.problem == "row 1: column 't' is missing"

    def test_rank_two_adds_an_axis(self) -> None:
        card = card_of({"kind": "text", "column": "t", "encoding": {"type": "raw", "rank": 2}})
        batch = pa.record_batch({"t": pa.array(["a", "b"]).dictionary_encode()})
        assert prepare(card, batch).tensors[ONLY_INPUT].tolist() == [["a"], ["b"]]

    def test_a_column_without_values_skips_every_row(self) -> None:
        card = card_of({"kind": "text", "column": "t", "encoding": {"type": "hashing", "features": 8}})
        prepared = prepare(card, pa.record_batch({"t": pa.nulls(3)}))
        assert prepared.skipped == 3
        assert prepared.tensors[ONLY_INPUT].shape == (0, 8)

    def test_tokens_are_cut_padded_and_masked(self, tmp_path: Path) -> None:
        write_tokenizer(tmp_path / "tokenizer.json")
        encoding = {"type": "tokenizer", "file": "tokenizer.json", "length": 3}
        encoding |= {"attention_mask": "mask", "token_types": "types"}
        card = card_of({"kind": "text", "column": "t", "tensor": "ids", "encoding": encoding}, tmp_path)
        prepared = prepare(card, pa.record_batch({"t": ["red green", None, "blue red green blue", ""]}))
        assert prepared.tensors["ids"].tolist() == [[1, 2, 9], [3, 1, 2], [9, 9, 9]]
        assert prepared.tensors["mask"].tolist() == [[1, 1, 0], [1, 1, 1], [0, 0, 0]]
        assert prepared.tensors["types"].tolist() == [[0, 0, 0]] * 3
        assert all(tensor.dtype == np.int64 for tensor in prepared.tensors.values())
        assert prepared.kept.tolist() == [True, False, True, True]

    @pytest.mark.parametrize(
        ("file", "problem"), [("none.json", "cannot read the tokenizer file"), ("bad.json", "is not a tokenizer.json")]
    )
    def test_a_bad_tokenizer_file_is_named(self, tmp_path: Path, file: str, problem: str) -> None:
        (tmp_path / "bad.json").write_text("{}")
        encoding = {"type": "tokenizer", "file": file, "length": 3}
        card = card_of({"kind": "text", "column": "t", "encoding": encoding}, tmp_path)
        with pytest.raises(InputError, match=problem) as caught:
            prepare(card, pa.record_batch({"t": ["a"]}))
        assert file in str(caught.value)

    def test_a_missing_library_is_named(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "tokenizers", None)
        (tmp_path / "tokenizer.json").write_text("{}")
        encoding = {"type": "tokenizer", "file": "tokenizer.json", "length": 3}
        card = card_of({"kind": "text", "column": "t", "encoding": encoding}, tmp_path)
        with pytest.raises(InputError, match=r"pip install 'msearch\[tokenizers\]'"):
            prepare(card, pa.record_batch({"t": ["a"]}))

    def test_a_card_without_a_folder_cannot_find_its_tokenizer(self) -> None:
        encoding = {"type": "tokenizer", "file": "tokenizer.json", "length": 3}
        card = card_of({"kind": "text", "column": "t", "encoding": encoding})
        with pytest.raises(InputError, match="register the model from the card's file, read the card with load_card"):
            prepare(card, pa.record_batch({"t": ["a"]}))


def write_tokenizer(path: Path) -> None:
    tokenizers = pytest.importorskip("tokenizers", reason="the optional package tokenizers is not installed")
    model = tokenizers.models.WordLevel({"red": 1, "green": 2, "blue": 3, "[PAD]": 9}, unk_token="[PAD]")
    tokenizer = tokenizers.Tokenizer(model)
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tokenizer.enable_padding(pad_id=9, pad_token="[PAD]")
    tokenizer.save(str(path))


class TestTabular:
    COLUMNS = (
        {"name": "age", "fill": -1},
        {"name": "member", "type": "boolean", "fill": False},
        {"name": "town", "type": "category", "categories": ["Bonn", "Ulm"], "fill": -1},
    )

    def test_columns_stand_in_the_cards_order(self) -> None:
        batch = pa.record_batch(
            {
                "town": ["Ulm", "Bonn", "Rome", None],
                "age": pa.array([1.5, None, math.nan, math.inf]),
                "member": pa.array([True, False, None, True]),
                "unused": [1, 2, 3, 4],
            }
        )
        prepared = prepare(card_of({"kind": "tabular", "columns": self.COLUMNS}), batch)
        assert prepared.tensors[ONLY_INPUT].tolist() == [[1.5, 1, 1], [-1, 0, 0], [-1, 0, -1], [-1, 1, -1]]
        assert prepared.tensors[ONLY_INPUT].dtype == np.float32
        assert prepared.kept.all()

    def test_rows_without_value_and_fill_are_skipped(self) -> None:
        columns = [{"name": "a"}, {"name": "b", "type": "category", "categories": [0, 1]}]
        batch = pa.record_batch({"a": pa.array([1, 2, None, 3]), "b": pa.array([0, 7, 1, 1])})
        prepared = prepare(card_of({"kind": "tabular", "columns": columns}), batch)
        assert prepared.tensors[ONLY_INPUT].tolist() == [[1, 0], [3, 1]]
        assert prepared.kept.tolist() == [True, False, False, True]
        assert prepared.problem.startswith("row 2: column 'a' is missing")

    def test_a_number_beyond_float32_is_missing(self) -> None:
        prepared = prepare(card_of({"kind": "tabular", "columns": [{"name": "a"}]}), pa.record_batch({"a": [1e300, 1]}))
        assert prepared.kept.tolist() == [False, True]

    def test_integers_other_than_0_and_1_are_no_truth_values(self) -> None:
        card = card_of({"kind": "tabular", "columns": [{"name": "a", "type": "boolean"}]})
        assert prepare(card, pa.record_batch({"a": [0, 1, 2]})).kept.tolist() == [True, True, False]

    def test_decimals_and_booleans_are_numbers_and_categories_may_be_encoded(self) -> None:
        columns = [{"name": "d"}, {"name": "b"}, {"name": "c", "type": "category", "categories": ["x", "y"]}]
        batch = pa.record_batch(
            {
                "d": pa.array([1.5]).cast(pa.decimal128(5, 2)),
                "b": [True],
                "c": pa.array(["y"]).dictionary_encode(),
            }
        )
        card = card_of({"kind": "tabular", "columns": columns})
        assert prepare(card, batch).tensors[ONLY_INPUT].tolist() == [[1.5, 1, 1]]


class TestTimeSeries:
    def card(self, **changes: Any) -> Card:
        spec = {"kind": "time_series", "column": "s", "channels": 2, "length": 3, "mean": [1, 0], "std": [2, 0.5]}
        return card_of(spec | changes)

    @pytest.mark.parametrize("layout", ["CT", "TC"])
    def test_series_are_cut_padded_and_normalised(self, layout: str) -> None:
        rows = [[[1, 3, 5, 7], [1, 2, 3, 4]], [[3.0], [2.0]]]
        prepared = prepare(self.card(layout=layout, pad=-9), pa.record_batch({"s": rows}))
        expected = np.array([[[0, 1, 2], [2, 4, 6]], [[1, -9, -9], [4, -9, -9]]], np.float32)
        np.testing.assert_array_equal(
            prepared.tensors[ONLY_INPUT], expected if layout == "CT" else expected.swapaxes(1, 2)
        )
        assert prepared.tensors[ONLY_INPUT].dtype == np.float32

    def test_bad_rows_are_skipped(self) -> None:
        good = [[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]]
        late_nan = [[1.0, 2.0, 3.0, math.nan], [1.0, 2.0, 3.0, 4.0]]
        rows = [good, None, [[1.0]], [[], []], [[1.0, None, 2.0], [1.0]], [[math.inf], [1.0]], [None, [1.0]], late_nan]
        batch = pa.record_batch({"s": pa.array(rows, pa.list_(pa.list_(pa.float64())))})
        prepared = prepare(self.card(), batch)
        assert prepared.kept.tolist() == [True, False, False, False, False, False, False, True]
        assert prepared.problem == "row 1: the series is missing or does not have 2 channels"
        assert prepared.tensors[ONLY_INPUT].shape == (2, 2, 3)

    @pytest.mark.parametrize(
        ("rows", "problem"),
        [
            ([[[1.0], [math.nan]]], "row 0: the series holds a missing value"),
            ([[[], []]], "row 0: the series is empty"),
        ],
    )
    def test_the_first_problem_is_told(self, rows: list[Any], problem: str) -> None:
        batch = pa.record_batch({"s": pa.array(rows, pa.list_(pa.list_(pa.float64())))})
        assert prepare(self.card(), batch).problem.startswith(problem)

    @pytest.mark.parametrize("kind", [pa.list_(pa.float32()), pa.large_list(pa.int16()), pa.list_(pa.float64(), 3)])
    def test_a_flat_list_is_a_series_of_one_channel(self, kind: pa.DataType) -> None:
        batch = pa.record_batch({"s": pa.array([[1, 2, 3], None, [4, 5, 6]], kind)})
        prepared = prepare(self.card(channels=1, mean=[0], std=[1]), batch)
        assert prepared.tensors[ONLY_INPUT].tolist() == [[[1, 2, 3]], [[4, 5, 6]]]
        with pytest.raises(InputError, match=r"one channel, but input\.channels is 2"):
            prepare(self.card(), batch)

    def test_a_slice_of_a_batch_is_read_as_its_own_rows(self) -> None:
        batch = pa.record_batch({"s": [[[float(i)] * 3, [float(i)] * 3] for i in range(6)]})
        whole, part = (prepare(self.card(), b).tensors[ONLY_INPUT] for b in (batch, batch.slice(2, 3)))
        np.testing.assert_array_equal(part, whole[2:5])

    def test_fixed_size_lists_of_lists_are_read(self) -> None:
        rows = pa.array([[[1, 2, 3], [4, 5, 6]], None], pa.list_(pa.list_(pa.int32(), 3), 2))
        prepared = prepare(self.card(mean=[0, 0], std=[1, 1]), pa.record_batch({"s": rows}))
        assert prepared.tensors[ONLY_INPUT].tolist() == [[[1, 2, 3], [4, 5, 6]]]


class TestEmbedding:
    CARD = card_of({"kind": "embedding", "column": "v", "length": 2})

    @pytest.mark.parametrize("kind", [pa.list_(pa.float32(), 2), pa.list_(pa.float64()), pa.large_list(pa.float32())])
    def test_vectors_are_taken_as_they_are(self, kind: pa.DataType) -> None:
        rows = [[1, 2], None, [3, math.nan], [5, 6]]
        prepared = prepare(self.CARD, pa.record_batch({"v": pa.array(rows, kind)}))
        assert prepared.tensors[ONLY_INPUT].tolist() == [[1, 2], [5, 6]]
        assert prepared.kept.tolist() == [True, False, False, True]
        assert prepared.problem == "row 1: column 'v' does not hold 2 numbers"

    def test_another_length_is_refused_by_type_and_skipped_by_row(self) -> None:
        with pytest.raises(InputError, match=r"expected vector\[2\]"):
            prepare(self.CARD, pa.record_batch({"v": pa.array([[1.0] * 3], pa.list_(pa.float32(), 3))}))
        assert prepare(self.CARD, pa.record_batch({"v": [[1.0], [1.0, 2.0]]})).kept.tolist() == [False, True]


class TestPairs:
    def test_raw_attributes_stand_left_first(self) -> None:
        card = card_of({"kind": "pairs", "left": ["l.name", "l.year"], "right": ["right_name"], "encoding": "raw"})
        struct = pa.array([{"name": "a", "year": 2000}, {"name": None, "year": None}, None])
        prepared = prepare(card, pa.record_batch({"l": struct, "right_name": ["b", None, "c"]}))
        assert prepared.tensors[ONLY_INPUT].tolist() == [["a", "2000", "b"], ["", "", ""], ["", "", "c"]]

    def test_featurised_pairs_are_the_features_of_the_sketch(self) -> None:
        from msearch_sketch.featurisers import get_featuriser
        from msearch_sketch.featurisers.base import Columns

        encoding = {"type": "featuriser", "name": "pairs-similarity@1"}
        batch = pa.record_batch(
            {"a": ["red box", "blue", None], "b": [1, 2, None], "x": ["red boxes", "green", None], "y": [1, 3, None]}
        )
        card = card_of({"kind": "pairs", "left": ["a", "b"], "right": ["x", "y"], "encoding": encoding})
        prepared = prepare(card, batch)
        renamed = pa.RecordBatch.from_arrays(batch.columns, names=["left_a", "left_b", "right_a", "right_b"])
        columns = Columns(tuple(renamed.schema.names), ("string", "integer", "string", "integer"))
        featuriser = get_featuriser("pairs-similarity@1")
        space = featuriser.fixed_space(columns)
        assert space is not None
        expected = featuriser.transform(renamed, columns, space)
        np.testing.assert_array_equal(prepared.tensors[ONLY_INPUT], expected.ticks / 1024)
        assert prepared.tensors[ONLY_INPUT].dtype == np.float32
        assert prepared.kept.tolist() == expected.kept.tolist() == [True, True, False]

    def test_two_structs_are_featurised(self) -> None:
        encoding = {"type": "featuriser", "name": "pairs-similarity@1"}
        card = card_of({"kind": "pairs", "left": ["l"], "right": ["r"], "encoding": encoding})
        flat = card_of({"kind": "pairs", "left": ["l.a"], "right": ["r.a"], "encoding": encoding})
        batch = pa.record_batch({"l": [{"a": "red"}], "r": [{"a": "rod"}]})
        both = [prepare(one, batch).tensors[ONLY_INPUT] for one in (card, flat)]
        np.testing.assert_array_equal(*both)


def test_a_series_featuriser_that_is_fitted_is_refused() -> None:
    encoding = {"type": "featuriser", "name": "time-series@1"}
    card = card_of({"kind": "time_series", "column": "s", "encoding": encoding})
    with pytest.raises(InputError, match=r"time-series@1 \(input\.encoding\.name\) is fitted on data"):
        prepare(card, pa.record_batch({"s": [[[1.0, 2.0]]]}))


@pytest.mark.parametrize(
    ("name", "problem"), [("pairs-similarity@1", "reads pairs, not text"), ("no-such@1", "no-such@1")]
)
def test_an_unfit_featuriser_is_refused(name: str, problem: str) -> None:
    card = card_of({"kind": "text", "column": "t", "encoding": {"type": "featuriser", "name": name}})
    with pytest.raises(InputError, match=problem) as caught:
        prepare(card, pa.record_batch({"t": ["a"]}))
    assert "input.encoding.name" in str(caught.value)


INPUTS: list[dict[str, Any]] = [
    {"kind": "image", "column": "x", "width": 4, "height": 4, "channels": 1},
    {"kind": "text", "column": "x", "encoding": {"type": "hashing"}},
    {"kind": "tabular", "columns": [{"name": "x"}]},
    {"kind": "time_series", "column": "x", "channels": 1, "length": 4},
    {"kind": "embedding", "column": "x", "length": 4},
    {"kind": "pairs", "left": ["x"], "right": ["y"], "encoding": "raw"},
]


@pytest.mark.parametrize("input", INPUTS, ids=lambda spec: str(spec["kind"]))
class TestEveryKind:
    def test_a_missing_column_is_named_beside_those_there_are(self, input: dict[str, Any]) -> None:
        with pytest.raises(InputError, match=r"there is no column 'x' \(input\.[a-z0-9\[\]]+\); the columns are a, b"):
            prepare(card_of(input), pa.record_batch({"a": [1], "b": [2]}))

    def test_a_wrong_type_is_named(self, input: dict[str, Any]) -> None:
        wrong = pa.record_batch({"x": pa.array([[["a"]]]), "y": ["a"]})
        with pytest.raises(InputError, match=r"column 'x' \(input\.[a-z0-9\[\]]+\) has type list<.*expected"):
            prepare(card_of(input), wrong)

    def test_a_repeated_column_is_refused(self, input: dict[str, Any]) -> None:
        with pytest.raises(InputError, match="more than one column is named 'x'"):
            prepare(card_of(input), pa.RecordBatch.from_arrays([pa.array([1])] * 2, names=["x", "x"]))

    def test_no_rows_give_empty_tensors(self, input: dict[str, Any]) -> None:
        prepared = prepare(card_of(input), pa.record_batch({"x": pa.nulls(0), "y": pa.nulls(0)}))
        assert [len(tensor) for tensor in prepared.tensors.values()] == [0]
        assert prepared.kept.shape == (0,)
        assert prepared.problem == ""

    def test_a_column_of_nulls_is_survived(self, input: dict[str, Any]) -> None:
        prepared = prepare(card_of(input), pa.record_batch({"x": pa.nulls(2), "y": pa.nulls(2)}))
        assert len(prepared.tensors[ONLY_INPUT]) == int(prepared.kept.sum())
        assert (prepared.problem == "") == prepared.kept.all()


def test_a_card_without_input_prepares_nothing() -> None:
    with pytest.raises(InputError, match="a@1 has no input"):
        prepare(parse_card("{name: a, task: t, modality: text}"), pa.record_batch({"x": [1]}))


def test_the_feed_carries_the_artifacts_names() -> None:
    batch = pa.record_batch({"v": [[1.0, 2.0]]})
    unnamed = prepare(TestEmbedding.CARD, batch)
    assert list(unnamed.feed(["x"])) == ["x"]
    with pytest.raises(InputError, match="one without a name; the artifact has x, y"):
        unnamed.feed(["x", "y"])
    named = prepare(card_of({"kind": "embedding", "column": "v", "length": 2, "tensor": "vector"}), batch)
    assert list(named.feed(["vector"])) == ["vector"]
    with pytest.raises(InputError, match="inputs vector; the artifact has x"):
        named.feed(["x"])

"""Bad input: each has a message that names the thing and says what to do."""

from __future__ import annotations

import contextlib
import json
import os
import pickle

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from msearch_sketch.datasets import open_dataset
from msearch_sketch.errors import DatasetError


def _fail(source, **options):
    """Opens and reads to the end; gives the message of the error that this must raise."""
    with pytest.raises(DatasetError) as caught:
        for _ in open_dataset(source, **options).batches():
            pass
    return str(caught.value)


def _file(folder, name, content):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_a_missing_file(tmp_path):
    assert _fail(tmp_path / "no.csv") == f"{tmp_path / 'no.csv'} does not exist"


@pytest.mark.parametrize("name", ["a.csv", "a.parquet", "a.jsonl", "a.arrow", "a.npz", "a"])
def test_an_empty_file(tmp_path, name):
    assert "is empty" in _fail(_file(tmp_path, name, b""))


def test_a_path_that_cannot_be_opened(tmp_path):
    assert "File name too long" in _fail(tmp_path / ("n" * 300 + ".csv"))
    (tmp_path / "loop.csv").symlink_to(tmp_path / "loop.csv")
    assert "loop.csv cannot be read" in _fail(tmp_path / "loop.csv")
    os.mkfifo(tmp_path / "pipe.csv")
    assert "pipe.csv is neither a file nor a folder" in _fail(tmp_path / "pipe.csv")


def test_no_rows(tmp_path):
    empty = pa.table({"a": pa.array([], pa.float64()), "b": pa.array([], pa.float64())})
    pq.write_table(empty, tmp_path / "a.parquet")
    with pa.ipc.new_stream(tmp_path / "a.arrows", empty.schema):
        pass
    np.savez(tmp_path / "a.npz", a=np.zeros(0))
    for source in (tmp_path / "a.parquet", tmp_path / "a.arrows", tmp_path / "a.npz", empty, empty.to_reader()):
        assert _fail(source).endswith("has no rows")
    assert _fail(_file(tmp_path, "a.csv", "a,b\n")).endswith("has no rows")
    assert "column 'a' is all missing" in _fail(_file(tmp_path, "b.csv", "a,b\n,\n"))


def test_an_unknown_format(tmp_path):
    path = _file(tmp_path, "a.xyz", b"\x00\x01 nothing known")
    assert "of no known format: give it the ending of its format, one of .parquet, .pq, .csv" in _fail(path)
    assert "format 'xls' is unknown: choose one of parquet" in _fail(path, format="xls")
    assert "format image-folder needs a folder" in _fail(path, format="image-folder")
    assert "is a folder; format csv needs a file" in _fail(tmp_path, format="csv")


@pytest.mark.parametrize("name", ["a.parquet", "a.arrow", "a.npz"])
def test_a_corrupt_file(tmp_path, name):
    assert str(tmp_path / name) in _fail(_file(tmp_path, name, b"this is no such file at all"))


def test_a_parquet_file_corrupt_in_the_middle(tmp_path):
    pq.write_table(pa.table({"a": np.random.default_rng(0).normal(size=5000)}), tmp_path / "a.parquet")
    data = bytearray((tmp_path / "a.parquet").read_bytes())
    data[4:2000] = bytes(1996)
    message = _fail(_file(tmp_path, "a.parquet", bytes(data)))
    assert str(tmp_path / "a.parquet") in message


@pytest.mark.parametrize("kind", ["file", "stream"])
def test_damaged_arrow_files_are_refused_and_never_read_beyond_their_end(tmp_path, kind):
    """Lengths and offsets that lead outside the file would end the process, not raise."""
    table = pa.table({"text": [f"some text {i}" for i in range(60)], "vector": [[0.5 * i, 1.0] for i in range(60)]})
    sink = pa.BufferOutputStream()
    with (pa.ipc.new_file if kind == "file" else pa.ipc.new_stream)(sink, table.schema) as writer:
        writer.write_table(table)
    sound = sink.getvalue().to_pybytes()
    generator = np.random.default_rng(5)
    messages = []
    for _ in range(300):
        data = bytearray(sound)
        for position in generator.integers(8, len(data), 3):
            data[position] ^= 1 << int(generator.integers(0, 8))
        try:
            for _ in open_dataset(_file(tmp_path, "a.arrow", bytes(data)), column="text").batches():
                pass
        except DatasetError as error:
            messages.append(str(error))
    assert len(messages) > 30
    assert all("a.arrow" in message for message in messages)


def test_a_cut_off_arrow_stream(tmp_path):
    table = pa.table({"a": np.arange(5000.0)})
    with pa.ipc.new_stream(tmp_path / "a.arrows", table.schema) as writer:
        writer.write_table(table)
    data = (tmp_path / "a.arrows").read_bytes()
    assert "a.arrows cannot be read" in _fail(_file(tmp_path, "a.arrows", data[:20_000]))


def test_a_late_csv_value_of_another_type_is_named_with_row_and_column(tmp_path):
    lines = ["n,m", *(f"{i},{i}" for i in range(200_000)), "12,x7", "13,13"]
    message = _fail(_file(tmp_path, "a.csv", "\n".join(lines)))
    assert "column 'm' has mixed types" in message
    assert "row 200002 (the header is row 1)" in message
    assert "'x7'" in message
    assert "--ignore" in message


def test_a_csv_line_with_too_many_cells_is_named(tmp_path):
    assert "Row #3: Expected 2 columns, got 3" in _fail(_file(tmp_path, "a.csv", "a,b\n1,2\n1,2,3\n"))


def test_csv_that_is_not_utf8(tmp_path):
    message = _fail(_file(tmp_path, "a.csv", "name,n\nCaf\u00e9,1\n".encode("latin-1")))
    assert "column 'name' is not UTF-8 text: save the file as UTF-8" in message


def test_csv_that_is_not_utf8_later(tmp_path):
    content = b"name\n" + b"plain text\n" * 200_000 + "Caf\u00e9\n".encode("latin-1")
    assert "UTF8" in _fail(_file(tmp_path, "a.csv", content)).upper().replace("UTF-8", "UTF8")


def test_a_csv_row_longer_than_a_block(tmp_path):
    message = _fail(_file(tmp_path, "a.csv", "a\n" + "x\n" * 600_000 + "y" * 3_000_000 + "\n"))
    assert "has a row of more than 1048576 bytes: save it as Parquet" in message


def _json_lines(folder, *tail, rows=100_000):
    lines = [*(json.dumps({"n": i, "m": 0.5}) for i in range(rows)), *tail]
    return _file(folder, "a.jsonl", "\n".join(lines) + "\n")


def test_a_late_json_value_of_another_type_is_named_with_line_and_column(tmp_path):
    message = _fail(_json_lines(tmp_path, '{"n": "seven", "m": 1}'))
    assert "column 'n' has mixed types: number became string in line 100001" in message


def test_an_early_json_value_of_another_type_is_named(tmp_path):
    message = _fail(_json_lines(tmp_path, '{"n": "seven", "m": 1}', rows=3))
    assert "column 'n' has mixed types: number became string in line 4" in message


def test_json_fractions_after_whole_numbers_are_no_mixed_types(tmp_path):
    dataset = open_dataset(_json_lines(tmp_path, '{"n": 0.25, "m": 7}'))
    assert list(dataset.batches())[-1].to_pylist()[-1] == {"n": 0.25, "m": 7.0}


def test_json_that_is_not_lines_of_objects(tmp_path):
    assert "not a JSON object" in _fail(_json_lines(tmp_path, '{"n": 1, "m":'))
    message = _fail(_file(tmp_path, "b.json", '[{"n": 1}, {"n": 2}]'))
    assert "expected one JSON object a line, found array in line 1" in message


def test_embeddings_of_another_length_later(tmp_path):
    message = _fail(pa.table({"v": [[1.0, 2.0], [3.0]]}), modality="embedding")
    assert "the table: column 'v' does not fit type fixed_size_list<" in message


def test_missing_columns_of_data():
    assert "column 'a' is all missing" in _fail(pa.table({"a": pa.nulls(3), "b": [1, 2, 3]}))
    assert _fail(pa.table({"t": pa.nulls(3, pa.string())})) == "the table: every value of t is missing"
    assert "every value of x is missing" in _fail(pa.table({"x": pa.nulls(3, pa.list_(pa.list_(pa.float64())))}))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_numbers_that_are_none_are_missing(value):
    nothing = pa.table({"a": [value] * 9, "b": [value] * 9})
    assert _fail(nothing) == "the table: every value of a, b is missing"
    some = nothing.set_column(1, "b", pa.array([value] * 8 + [0.5]))
    assert sum(batch.num_rows for batch in open_dataset(some).batches()) == 9


def test_a_column_name_that_is_not_utf8(tmp_path):
    path = _file(tmp_path, "a.jsonl", b'{"caf\xe9": 1, "b": 2}\n' * 9)
    assert "column name is not UTF-8 text" in _fail(path)


def test_columns_that_nothing_reads():
    assert "column 'when' has type timestamp[us]" in _fail(
        pd.DataFrame({"a": [1.0], "b": [2.0], "when": pd.to_datetime(["2024-01-01"])})
    )


def test_a_pandas_column_of_mixed_types():
    message = _fail(pd.DataFrame({"good": [1, 2], "bad": [1, "x"]}))
    assert "the pandas frame has a column of mixed or unknown type" in message
    assert "bad" in message


def test_npz_arrays_that_cannot_be_columns(tmp_path):
    np.savez(tmp_path / "a.npz", a=np.zeros(3), b=np.zeros(4))
    assert "the arrays differ in their number of rows: a has 3, b has 4" in _fail(tmp_path / "a.npz")
    np.savez(tmp_path / "b.npz", a=np.zeros((2, 2, 2, 2)))
    assert "array 'a' has shape (2, 2, 2, 2); expected" in _fail(tmp_path / "b.npz")
    np.savez(tmp_path / "c.npz", a=np.zeros((2, 0)))
    assert "the rows of array 'a' are empty" in _fail(tmp_path / "c.npz")
    np.savez(tmp_path / "d.npz", a=np.array(1.0))
    assert "array 'a' has shape ()" in _fail(tmp_path / "d.npz")


def test_damaged_npz_archives(tmp_path):
    """What zip and its decompressors raise is as varied as the damage."""
    np.savez_compressed(tmp_path / "a.npz", a=np.random.default_rng(0).normal(size=60), b=np.arange(60.0))
    sound = (tmp_path / "a.npz").read_bytes()
    generator = np.random.default_rng(1)
    for _ in range(300):
        data = bytearray(sound)
        data[int(generator.integers(0, len(data)))] ^= 1 << int(generator.integers(0, 8))
        with contextlib.suppress(DatasetError):
            for _ in open_dataset(_file(tmp_path, "a.npz", bytes(data))).batches():
                pass


class _Bomb:
    def __reduce__(self):
        return pytest.fail, ("a pickle was loaded",)


def test_a_pickle_in_an_npz_is_never_loaded(tmp_path):
    array = np.empty(1, object)
    array[0] = _Bomb()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pickle, "loads", lambda *_: pytest.fail("a pickle was loaded"))
        np.savez(tmp_path / "a.npz", a=array)
        assert "array 'a' has type object, which cannot be read" in _fail(tmp_path / "a.npz")


def test_a_folder_without_images(tmp_path):
    (tmp_path / "a.txt").write_text("no image")
    assert "holds no image: expected files ending in .bmp" in _fail(tmp_path)


def test_a_folder_with_images_at_two_depths(tmp_path):
    (tmp_path / "cat").mkdir()
    for name in ("a.png", "cat/b.png"):
        (tmp_path / name).write_bytes(b"")
    assert "holds images both directly and in sub-folders" in _fail(tmp_path)


def test_a_stream_read_twice():
    dataset = open_dataset(pa.table({"a": [1.0, 2.0]}).to_reader())
    assert sum(batch.num_rows for batch in dataset.batches()) == 2
    with pytest.raises(DatasetError, match="the stream can be read only once: pass a file or a table"):
        list(dataset.batches())


def test_what_is_no_dataset():
    assert "int is no dataset: pass a path, an Arrow table" in _fail(7)

"""One dataset through every format and container gives the same columns and the same values, in bounded memory."""

from __future__ import annotations

import gzip
import io
import json
import tracemalloc

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest
from PIL import Image

from msearch_sketch.datasets import open_dataset
from msearch_sketch.errors import DatasetError

TABLE = pa.table(
    {
        "size": [1.5, 2.0, None, -4.25],
        "count": pa.array([1, 2, 3, 4], pa.int32()),
        "colour": ["red", None, "blue", "red, dark"],
        "fresh": [True, False, None, True],
        "label": ["u", "v", "u", "v"],
    }
)


def _write(folder, name):
    path = folder / name
    match path.suffix:
        case ".parquet" | ".nothing":
            pq.write_table(TABLE, path)
        case ".csv":
            pc.write_csv(TABLE, path)
        case ".tsv":
            pc.write_csv(TABLE, path, pc.WriteOptions(delimiter="\t"))
        case ".jsonl":
            path.write_text("".join(json.dumps(row) + "\n" for row in TABLE.to_pylist()))
        case ".gz":
            buffer = io.BytesIO()
            pc.write_csv(TABLE, buffer)
            path.write_bytes(gzip.compress(buffer.getvalue()))
        case ".feather":
            feather.write_feather(TABLE, path)
        case ".arrows":
            with pa.ipc.new_stream(path, TABLE.schema) as writer:
                writer.write_table(TABLE, max_chunksize=3)
    return path


FILES = ["t.parquet", "t.nothing", "t.csv", "t.csv.gz", "t.tsv", "t.jsonl", "t.feather", "t.arrows"]
OBJECTS = {
    "table": lambda: TABLE,
    "batch": lambda: TABLE.combine_chunks().to_batches()[0],
    "stream": TABLE.to_reader,
    "pandas": TABLE.to_pandas,
    "pandas with categories": lambda: TABLE.to_pandas().astype({"colour": "category"}),
    "polars": lambda: pl.DataFrame(TABLE),
    "dictionaries": lambda: TABLE.set_column(2, "colour", TABLE["colour"].dictionary_encode()),
}


def _check(dataset):
    assert dataset.modality == "tabular"
    assert dataset.columns.names == ("colour", "count", "fresh", "size")
    assert dataset.columns.types == ("category", "float", "boolean", "float")
    assert dataset.labels == "label"
    assert dataset.row_count in (4, None)
    batches = list(dataset.batches(3))
    assert [batch.num_rows for batch in batches] == [3, 1]
    assert pa.Table.from_batches(batches).select(TABLE.column_names).to_pydict() == TABLE.to_pydict()


@pytest.mark.parametrize("name", FILES)
def test_every_file_format_gives_the_same_rows_again_and_again(tmp_path, name):
    dataset = open_dataset(_write(tmp_path, name))
    _check(dataset)
    _check(dataset)
    assert dataset.size_bytes == (tmp_path / name).stat().st_size


@pytest.mark.parametrize("kind", OBJECTS)
def test_every_container_gives_the_same_rows(kind):
    _check(open_dataset(OBJECTS[kind]()))


def test_npz_gives_the_same_rows(tmp_path):
    arrays = {
        "size": np.array([1.5, 2.0, np.nan, -4.25]),
        "count": np.array([1, 2, 3, 4], ">i2"),
        "colour": np.array(["red", "green", "blue", "red, dark"]),
    }
    for save in (np.savez, np.savez_compressed):
        save(tmp_path / "t.npz", **arrays)
        dataset = open_dataset(tmp_path / "t.npz")
        assert dataset.columns.types == ("category", "float", "float")
        assert dataset.row_count == 4
        table = pa.Table.from_batches(list(dataset.batches(3)))
        assert table["colour"].to_pylist() == arrays["colour"].tolist()
        assert table["count"].to_pylist() == [1, 2, 3, 4]
        np.testing.assert_array_equal(table["size"].to_numpy(), arrays["size"])


def test_npz_vectors_and_series_whatever_their_memory_order(tmp_path):
    values = np.random.default_rng(0).normal(size=(5, 3, 4))
    np.savez(tmp_path / "t.npz", c=values, f=np.asfortranarray(values.astype("f4")), v=values[:, :, 0])
    series = open_dataset(tmp_path / "t.npz", column="c")
    assert (series.modality, series.columns.types) == ("time_series", ("list<list<float>>[3]",))
    read = [row for batch in series.batches(2) for row in batch["c"].to_pylist()]
    np.testing.assert_array_equal(read, values)
    fortran = open_dataset(tmp_path / "t.npz", column="f")
    read = [row for batch in fortran.batches(2) for row in batch["f"].to_pylist()]
    np.testing.assert_array_equal(np.array(read, "f4"), values.astype("f4"))
    vectors = open_dataset(tmp_path / "t.npz", column="v")
    assert (vectors.modality, vectors.columns.types) == ("embedding", ("vector[3]",))


@pytest.mark.parametrize("shape", [(4, 6, 5), (4, 6, 5, 1), (4, 6, 5, 3), (4, 6, 5, 4)])
def test_npz_bytes_become_images_without_loss(tmp_path, shape):
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    np.savez(tmp_path / "t.npz", image=pixels, label=np.arange(4))
    dataset = open_dataset(tmp_path / "t.npz")
    assert (dataset.modality, dataset.labels) == ("image", "label")
    encoded = [row for batch in dataset.batches(3) for row in batch["image"].to_pylist()]
    decoded = np.array([np.asarray(Image.open(io.BytesIO(data))) for data in encoded])
    np.testing.assert_array_equal(decoded.reshape(shape), pixels)


def _save_image(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((3, 3), value, np.uint8)).save(path)


def test_a_folder_of_folders_is_labelled_and_sorted(tmp_path):
    for index, name in enumerate(["dog/b.png", "cat/z.png", "dog/a.png", "cat/deep/a.PNG"]):
        _save_image(tmp_path / name, index)
    (tmp_path / "dog" / "notes.txt").write_text("no image")
    _save_image(tmp_path / ".cache" / "thumb.png", 9)
    dataset = open_dataset(tmp_path)
    assert (dataset.modality, dataset.labels, dataset.row_count) == ("image", "label", 4)
    rows = [row for batch in dataset.batches(3) for row in batch.to_pylist()]
    assert [row["image"]["path"] for row in rows] == ["cat/deep/a.PNG", "cat/z.png", "dog/a.png", "dog/b.png"]
    assert [row["label"] for row in rows] == ["cat", "cat", "dog", "dog"]
    assert all(row["image"]["bytes"].startswith(b"\x89PNG") for row in rows)


def test_a_folder_of_images_is_unlabelled(tmp_path):
    _save_image(tmp_path / "a.png", 1)
    dataset = open_dataset(str(tmp_path))
    assert (dataset.labels, dataset.schema.names) == (None, ["image"])


def test_lists_of_equal_length_can_be_read_as_embeddings_from_files_and_streams(tmp_path):
    table = pa.table({"v": [None, [1, 2], [3, 4]]})
    (tmp_path / "v.jsonl").write_text('{"v": null}\n{"v": [1, 2]}\n{"v": [3.5, 4]}\n')
    for source in (table, table.to_reader(max_chunksize=1), tmp_path / "v.jsonl"):
        dataset = open_dataset(source, modality="embedding")
        assert dataset.columns.types == ("vector[2]",)
        (batch,) = dataset.batches()
        assert batch.schema.field("v").type == pa.list_(pa.float64(), 2)
        assert batch.num_rows == 3


def test_pairs_of_structs_come_through_json_and_parquet(tmp_path):
    rows = [{"left": {"name": "a", "year": 1}, "right": {"name": "b", "year": None}, "label": 1}] * 3
    table = pa.Table.from_pylist(rows)
    pq.write_table(table, tmp_path / "p.parquet")
    (tmp_path / "p.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for source in (tmp_path / "p.parquet", tmp_path / "p.jsonl", pl.DataFrame(table)):
        dataset = open_dataset(source)
        assert (dataset.modality, dataset.labels) == ("pairs", "label")
        assert next(dataset.batches()).select(["left", "right"]).to_pylist()[0] == {
            "left": rows[0]["left"],
            "right": rows[0]["right"],
        }


def test_other_columns_can_be_asked_for(tmp_path):
    pq.write_table(pa.table({"text": ["a", "b"], "id": [1, 2]}), tmp_path / "t.parquet")
    dataset = open_dataset(tmp_path / "t.parquet")
    assert next(dataset.batches()).schema.names == ["text"]
    assert next(dataset.batches(columns=["id", "text"])).to_pydict() == {"id": [1, 2], "text": ["a", "b"]}
    with pytest.raises(DatasetError, match="has no column 'c'; it has text, id"):
        dataset.batches(columns=["c"])


def test_quoted_newlines_and_extreme_numbers_survive_csv(tmp_path):
    (tmp_path / "t.csv").write_text('text,n\n"two\nlines",1\nplain,2\n')
    assert next(open_dataset(tmp_path / "t.csv").batches())["text"].to_pylist() == ["two\nlines", "plain"]
    (tmp_path / "n.csv").write_text("a,b\n9007199254740993,inf\n1,nan\n")
    batch = next(open_dataset(tmp_path / "n.csv").batches())
    assert batch["a"].to_pylist() == [9007199254740992.0, 1.0]


def _write_large(path):
    """Writes some tens of megabytes and returns their number of rows and their size as a table."""
    if path.suffix == ".csv":
        rows = 2_000_000
        path.write_bytes(b"a,b,c,d,e,f,g,h\n" + b"1,2,3,4,5,6,7,8\n" * rows)
    elif path.suffix == ".jsonl":
        rows = 1_000_000
        path.write_bytes(b'{"a":1,"b":2,"c":3,"d":4,"e":5,"f":6,"g":7,"h":8}\n' * rows)
    else:
        rows = 200_000
        columns = {name: np.random.default_rng(0).normal(size=rows) for name in "abcdefgh"}
        table = pa.table(columns)
        if path.suffix == ".parquet":
            pq.write_table(table, path, row_group_size=rows, compression="none", use_dictionary=False)
        elif path.suffix == ".npz":
            np.savez(path, **columns)
        else:
            with pa.ipc.new_file(path, table.schema) as writer:
                writer.write_table(table, max_chunksize=10_000)
    return rows, rows * 8 * 8


@pytest.mark.parametrize(
    ("name", "most_mib"),
    # One column buffer of a mebibyte each; for text up to 32 blocks of a mebibyte that Arrow reads ahead.
    [("t.parquet", 11), ("t.arrow", 11), ("t.npz", 11), ("t.csv", 48), ("t.jsonl", 48)],
)
def test_a_large_file_is_never_loaded_whole(tmp_path, name, most_mib):
    rows, loaded_whole = _write_large(tmp_path / name)
    before = pa.total_allocated_bytes()
    rows_read = peak = 0
    tracemalloc.start()
    for batch in open_dataset(tmp_path / name).batches(2048):
        rows_read += batch.num_rows
        peak = max(peak, pa.total_allocated_bytes() - before)
    peak += tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert rows_read == rows
    assert peak < most_mib * 2**20 < loaded_whole

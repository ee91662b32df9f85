"""Bad files, cards and artifacts given to msearch-cli: one clear line, the right exit code, nothing left behind."""

from __future__ import annotations

import io
import itertools
import json
import os
import pickle
import struct
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
import yaml
from PIL import Image
from typer.testing import CliRunner, Result

from msearch_client import Client
from msearch_client.cli import app
from tests.service_process import running_service
from tests.small_zoo import COLUMNS, make_card, make_table, write_zoo

TARGET = make_table(0.0, 100, labels=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of the service; its artifacts are in data/blobs."""
    return tmp_path_factory.mktemp("service")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[str]:
    with running_service(folder) as address:
        yield address


@pytest.fixture(scope="module")
def zoo(server: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    zoo = tmp_path_factory.mktemp("zoo")
    run(server, "register", "--manifest", write_zoo(zoo))
    return zoo


def run(server: str, *words: Any, code: int = 0) -> Result:
    environment = {"MSEARCH_SERVER": server, "MSEARCH_CONFIG": None, "MSEARCH_DEBUG": None, "MSEARCH_TIMEOUT_S": None}
    result = CliRunner().invoke(app, [str(word) for word in words], env=environment)
    assert result.exit_code == code, f"{result.stdout}\n{result.stderr}"
    assert "Traceback" not in result.output
    assert "defect" not in result.stderr
    return result


def message(result: Result) -> str:
    """The one line that says what is wrong; nothing is on stdout."""
    assert result.stdout == ""
    first, *more = result.stderr.splitlines()
    assert first.startswith("error: ")
    assert all(line.startswith(("hint: ", "  ")) for line in more)
    return first


def held(server: str, folder: Path) -> tuple[int, int, int, list[str]]:
    """What a failed call could leave behind: models, datasets, feature spaces, files."""
    with Client(server) as client:
        counts = len(list(client.models())), len(list(client.datasets())), len(list(client.spaces()))
    data = folder / "data"
    files = sorted(path.name for path in [*data.glob("blobs/**/*"), *data.glob("incoming/*")] if path.is_file())
    return *counts, files


# Each makes a file in a folder and returns its path.


def text_file(name: str, content: str | bytes) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        path = folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return make


def parquet(table: pa.Table, damage: Callable[[bytes], bytes] = lambda data: data) -> Callable[[Path], Path]:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return text_file("data.parquet", damage(sink.getvalue().to_pybytes()))


def npz(**arrays: Any) -> Callable[[Path], Path]:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return text_file("data.npz", buffer.getvalue())


def missing(rows: int = 60) -> pa.Table:
    return pa.table({name: pa.nulls(rows, pa.float64()) for name in COLUMNS})


def images(good: int, bad: int, broken: bytes = b"\x89PNG\r\n\x1a\nno more") -> Callable[[Path], Path]:
    values = np.random.default_rng(good).integers(0, 255, (good, 20, 20), dtype=np.uint8)
    encoded = []
    for pixels in values:
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "PNG")
        encoded.append(buffer.getvalue())
    return parquet(pa.table({"image": pa.array([*encoded, *[broken] * bad], pa.binary())}))


def folder_of(*names: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        for name in names:
            (folder / name).write_bytes(b"")
        (folder / "itself").symlink_to(folder)
        return folder

    return make


def png_of(side: int) -> bytes:
    """The beginning of a PNG file that claims side x side pixels."""
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes(99))), (b"IEND", b"")]
    parts = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


HEADER = ",".join(COLUMNS) + "\n"
NOISE = bytes(range(256))
VECTORS = np.random.default_rng(0).normal(size=(100, 4))

UNREADABLE: dict[str, tuple[Callable[[Path], Path], str]] = {
    "no file": (lambda folder: folder / "none.csv", "none.csv does not exist"),
    "empty": (text_file("data.csv", b""), "data.csv is empty"),
    "header only": (text_file("data.csv", HEADER), "has no rows"),
    "no rows": (parquet(TARGET.slice(0, 0)), "data.parquet has no rows"),
    "one row": (parquet(TARGET.slice(0, 1)), "has 1 row; at least 5 are needed"),
    "missing column": (text_file("data.csv", HEADER + "1,,2\n" * 50), "'weight' is all missing"),
    "all missing": (parquet(missing()), "every value of age, height, weight is missing"),
    "only infinity": (npz(**{name: np.full(60, np.inf) for name in COLUMNS}), "every value of"),
    "NaN in vectors": (npz(vector=np.where(VECTORS > 1, np.nan, VECTORS)), "the vector holds NaN or infinity"),
    "mixed types": (text_file("data.csv", HEADER + "1,2,3\n" * 200_000 + "1,x,3\n"), "'weight' has mixed types"),
    "ragged": (text_file("data.csv", HEADER + "1,2,3\n1,2\n"), "Row #3: Expected 3 columns, got 2"),
    "no UTF-8": (text_file("data.csv", b"text\n" + b"\xe9t\xe9\n" * 20), "not UTF-8 text"),
    "truncated Parquet": (parquet(TARGET, lambda data: data[:-300]), "data.parquet is corrupt"),
    "noise as Parquet": (text_file("data.parquet", NOISE * 9), "data.parquet is corrupt"),
    "magic and noise": (text_file("data.parquet", b"PAR1" + NOISE * 9 + b"PAR1"), "data.parquet is corrupt"),
    "Parquet pages": (parquet(TARGET, lambda data: data[:99] + bytes(1500) + data[1599:]), "cannot be read"),
    "unknown type": (parquet(pa.table({"a": [{"b": 1}] * 9})), "column 'a' has type struct"),
    "other columns": (parquet(TARGET.rename_columns(["height", "weight", "size"])), "columns"),
    "too many bad images": (images(100, 30), "30 of 130 rows"),
    "no image": (images(0, 50), "50 of 50 rows"),
    "folder": (folder_of("a.csv"), "holds no image"),
    "link to itself": (
        lambda folder: (folder / "a.csv").symlink_to(folder / "a.csv") or folder / "a.csv",
        "a.csv cannot be read",
    ),
    "name too long": (lambda folder: folder / ("x" * 300), "File name too long"),
    "unknown format": (text_file("data.xyz", b"\x00\x01"), "of no known format"),
}  # fmt: skip


@pytest.mark.parametrize("way", ["here", "by the service"])
@pytest.mark.parametrize("case", UNREADABLE)
def test_data_that_cannot_be_used(server: str, zoo: Path, folder: Path, tmp_path: Path, case: str, way: str) -> None:
    make, problem = UNREADABLE[case]
    before = held(server, folder)
    words = ["query", "--data", make(tmp_path), *(["--by-service"] if way == "by the service" else [])]
    assert problem in message(run(server, *words, code=1))
    failure = json.loads(run(server, *words, "--json", code=1).stderr)
    assert problem in failure["message"]
    assert held(server, folder) == before


@pytest.mark.parametrize("way", ["here", "by the service"])
@pytest.mark.parametrize("kind", ["csv", "parquet", "npz"])
def test_nan_and_infinity_are_missing_values(server: str, zoo: Path, tmp_path: Path, kind: str, way: str) -> None:
    values = {name: TARGET[name].to_numpy().copy() for name in COLUMNS}
    values["age"][:20], values["height"][20:40], values["weight"][40:50] = np.nan, np.inf, -np.inf
    path = tmp_path / f"data.{kind}"
    table = pa.table(values)
    if kind == "csv":
        pa.csv.write_csv(table, path)
    elif kind == "parquet":
        pq.write_table(table, path)
    else:
        np.savez(path, **values)
    words = ["query", "--data", path, *(["--by-service"] if way == "by the service" else []), "--json"]
    ranking = json.loads(run(server, *words).stdout)
    assert ranking["target_row_count"] == 100
    assert ranking["candidates"][0]["model"]["name"] == "near"


@pytest.mark.parametrize("broken", [b"", b"no image", png_of(60_000)], ids=["empty", "noise", "bomb"])
def test_a_few_bad_images_are_left_out_and_counted(server: str, zoo: Path, tmp_path: Path, broken: bytes) -> None:
    path = images(100, 4, broken)(tmp_path)
    here = run(server, "query", "--data", path)
    assert "4 of 104 rows are left out" in here.stderr
    assert "for 100 rows" in here.stdout
    assert "4 of 104 rows could not be read" in run(server, "query", "--data", path, "--by-service").stdout


def test_a_column_in_the_way_can_be_left_out(server: str, zoo: Path, tmp_path: Path) -> None:
    path = parquet(TARGET.append_column("when", pa.array([{"a": 1}] * 100)))(tmp_path)
    assert "leave it out with --ignore" in message(run(server, "query", "--data", path, code=1))
    for way in ([], ["--by-service"]):
        assert "3 candidates" in run(server, "query", "--data", path, "--ignore", "when", *way).stdout


def test_an_unknown_modality_is_wrong_usage(server: str, zoo: Path) -> None:
    wrong = run(server, "query", "--data", zoo / "target.parquet", "--as-modality", "sound", code=2)
    assert "'sound' is not one of 'image'" in wrong.stderr
    unfit = run(server, "query", "--data", zoo / "target.parquet", "--as-modality", "image", code=1)
    assert "no column holds image" in message(unfit)


def zipped_pickle() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps([1]))
    return buffer.getvalue()


ARTIFACTS: dict[str, tuple[Callable[[bytes], bytes], dict[str, Any], str]] = {
    "empty": (lambda net: b"", {}, "is empty"),
    "truncated": (lambda net: net[: len(net) // 2], {}, "truncated"),
    "oversized": (lambda net: net + bytes(500), {}, "the artifact is malformed"),
    "noise": (lambda net: bytes(range(256)) * 20, {}, "the artifact is malformed"),
    "pickle": (lambda net: pickle.dumps(list(range(500))), {}, "the artifact is a pickle, which"),
    "torch.save": (lambda net: zipped_pickle(), {}, "zip archive"),
    "other columns": (
        lambda net: net,
        {"input": {"kind": "tabular", "columns": [{"name": name, "fill": 0.0} for name in COLUMNS[:2]]}},
        "input.columns",
    ),
    "other classes": (lambda net: net, {"classes": ["a", "b", "c"]}, "classes: names 3"),
    "name taken": (lambda net: net, {"name": "near"}, "'near@1' exists already"),
}


@pytest.mark.parametrize("case", ARTIFACTS)
def test_an_artifact_that_is_refused_leaves_nothing(
    server: str, zoo: Path, folder: Path, tmp_path: Path, case: str
) -> None:
    damage, fields, problem = ARTIFACTS[case]
    (tmp_path / "card.yaml").write_text(yaml.safe_dump(make_card("refused") | fields), encoding="utf-8")
    (tmp_path / "net.onnx").write_bytes(damage((zoo / "near.onnx").read_bytes()))
    before = held(server, folder)
    words = ["register", tmp_path / "card.yaml", "--artifact", tmp_path / "net.onnx", "--data", zoo / "mid.parquet"]
    assert problem in message(run(server, *words, code=1))
    assert held(server, folder) == before


ALIASES = ["a", *(f"b{depth}" for depth in range(20))]
LAUGHS = "a: &a [x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{below}'] * 9)}]\n" for below, name in itertools.pairwise(ALIASES)
)

CARDS: dict[str, tuple[str | bytes, str]] = {
    "empty": ("", "must be a mapping"),
    "noise": (bytes(range(256)), "not UTF-8 text"),
    "UTF-16": ("name: a".encode("utf-16"), "not UTF-8 text"),
    "huge": ("name: " + "x" * 3_000_000, "is larger than 2097152 bytes"),
    "deep": ("a: " + "[" * 5000, "nested too deeply"),
    "deep JSON": ('{"a":' * 20_000, "nested too deeply"),
    "a laugh a line": (LAUGHS, "is invalid"),
    "code": ('name: !!python/object/apply:os.abort [""]', "could not determine a constructor"),
    "path as name": (json.dumps(make_card("../../etc/passwd")), "name: must match"),
    "option as name": (json.dumps(make_card("-rf")), "name: must match"),
    "spaces": (json.dumps(make_card("a b")), "name: must match"),
    "long name": (json.dumps(make_card("x" * 201)), "at most 200 characters"),
}


@pytest.mark.parametrize("option", ["card", "manifest"])
@pytest.mark.parametrize("case", CARDS)
def test_documents_that_cannot_be_used(server: str, folder: Path, tmp_path: Path, case: str, option: str) -> None:
    content, problem = CARDS[case]
    path = text_file("document.yaml", content)(tmp_path)
    before = held(server, folder)
    words = ["register", path] if option == "card" else ["register", "--manifest", path]
    said = message(run(server, *words, code=1))
    assert "document.yaml" in said
    if option == "card":
        assert problem in said
    assert held(server, folder) == before


def test_a_card_may_begin_with_a_byte_order_mark(server: str, zoo: Path, tmp_path: Path) -> None:
    path = text_file("card.json", b"\xef\xbb\xbf" + json.dumps(make_card("marked")).encode())(tmp_path)
    run(server, "register", path, "--artifact", zoo / "near.onnx")
    run(server, "models", "delete", "marked", "--yes")


@pytest.mark.parametrize("name", ["", " ", "a@b", "a\nb", "a\0b", "\x1b[31m", "x" * 201], ids=repr)
def test_names_that_a_dataset_cannot_have(server: str, zoo: Path, folder: Path, name: str) -> None:
    before = held(server, folder)
    said = message(run(server, "datasets", "register", name, "--data", zoo / "near.parquet", code=1))
    assert "dataset.name" in said
    assert held(server, folder) == before


def test_odd_names_are_names(server: str, zoo: Path) -> None:
    for name in ("a b", "ünï ☃", "../../x", "x" * 200):
        run(server, "datasets", "register", name, "--data", zoo / "near.parquet")
        # As JSON: a table folds long names at the width of the terminal, if there is one.
        listed = json.loads(run(server, "datasets", "list", "--json").stdout)["datasets"]
        assert name in [dataset["name"] for dataset in listed]
        run(server, "datasets", "delete", name, "--yes")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_files_without_permission(server: str, zoo: Path, tmp_path: Path) -> None:
    path = text_file("data.csv", HEADER)(tmp_path)
    path.chmod(0)
    for words in (["query", "--data", path], ["register", path], ["register", "--manifest", path]):
        assert "Permission denied" in message(run(server, *words, code=1))


GAP = " " * 100


def write_rows(path: Path, rows: int) -> None:
    if path.name.startswith("tabular"):
        block = make_table(0.0, 100_000, labels=False)
    else:
        block = pa.table({"text": [f"film number {number}{GAP}" for number in range(100_000)]})
    with (pa.csv.CSVWriter if path.suffix == ".csv" else pq.ParquetWriter)(path, block.schema) as writer:
        for _ in range(rows // 100_000):
            writer.write_table(block)


def peak_bytes(server: str, *words: Any) -> tuple[Any, int]:
    """The JSON that a process of its own prints, and the most memory it held."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MSEARCH_")}
    command = [sys.executable, "-c", "from msearch_client.cli import main; main()", *map(str, words), "--json"]
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(command, stdout=output, env=environment | {"MSEARCH_SERVER": server})
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0
        output.seek(0)
        return json.loads(output.read()), used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


@pytest.mark.slow
@pytest.mark.parametrize("way", ["here", "by the service"])
@pytest.mark.parametrize("name", ["tabular.csv", "tabular.parquet", "text.csv", "text.parquet"])
def test_two_million_rows_take_the_memory_of_a_few(server: str, zoo: Path, tmp_path: Path, name: str, way: str) -> None:
    """The 48 MB of numbers, or 240 MB of text, are never held: twenty times the rows take little more memory."""
    path, peaks = tmp_path / name, []
    for rows in (100_000, 2_000_000):
        write_rows(path, rows)
        ranking, peak = peak_bytes(
            server, "query", "--data", path, *(["--by-service"] if way == "by the service" else [])
        )
        assert ranking["target_row_count"] == rows
        peaks.append(peak)
    assert peaks[1] - peaks[0] < 45 << 20

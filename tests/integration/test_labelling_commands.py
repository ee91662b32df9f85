"""`query --labels-budget` against the real service: files filled in between, answers at a terminal, bad input."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from msearch_client import Client, LocalError
from msearch_client.cli import app
from msearch_client.cli.showing_rows import show_row, write_images
from tests.small_zoo import COLUMNS, make_card, make_table, write_zoo

Run = Callable[..., Result]
ROWS = 120


def write_rule(path: Path, column: int) -> None:
    """A classifier that says "dog" where this column is positive."""
    matrix = np.zeros((3, 2), np.float32)
    matrix[column] = [-2, 2]
    node = onnx.helper.make_node("MatMul", ["rows", "weights"], ["logits"])
    graph = onnx.helper.make_graph(
        [node],
        "rule",
        [onnx.helper.make_tensor_value_info("rows", onnx.TensorProto.FLOAT, ["batch", 3])],
        [onnx.helper.make_tensor_value_info("logits", onnx.TensorProto.FLOAT, ["batch", 2])],
        [onnx.numpy_helper.from_array(matrix, "weights")],
    )
    model = onnx.helper.make_model(graph, ir_version=10, opset_imports=[onnx.helper.make_opsetid("", 20)])
    path.write_bytes(model.SerializeToString())


@pytest.fixture(scope="module")
def zoo(server: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three models that each look at another column, one that cannot be run, and a target: "age" is right."""
    folder = tmp_path_factory.mktemp("zoo")
    write_zoo(folder)
    with Client(server) as client:
        source = client.new_dataset("near-data", folder / "near.parquet", labels="label")
        for column, name in enumerate(COLUMNS):
            write_rule(folder / f"{name}.onnx", column)
            client.register_model(
                make_card(f"by-{name}", classes=["cat", "dog"]), artifact=folder / f"{name}.onnx", dataset=source
            )
            source = client.get_dataset("near-data")  # type: ignore[assignment]
        client.register_model(make_card("hosted", artifact={"format": "none"}), dataset="near-data")
    pq.write_table(make_table(0.0, ROWS, labels=False), folder / "target.parquet")
    return folder


@pytest.fixture
def run(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def call(*words: Any, code: int = 0) -> Result:
        environment = {"MSEARCH_SERVER": server, "COLUMNS": "120", "MSEARCH_CONFIG": None, "MSEARCH_DEBUG": None}
        result = CliRunner().invoke(app, [str(word) for word in words], env=environment)
        assert result.exit_code == code, f"{result.stdout}\n{result.stderr}"
        return result

    return call


def true_class(zoo: Path, row: int) -> str:
    return "dog" if pq.read_table(zoo / "target.parquet").column("age")[row].as_py() > 0 else "cat"


def test_rows_to_label_go_to_a_file_and_the_same_command_goes_on(run: Run, zoo: Path, tmp_path: Path) -> None:
    words = ("query", "--data", zoo / "target.parquet", "--labels-budget", 12)
    first = run(*words)
    assert "no winner yet: " in first.stdout
    assert "12 rows to label in target-labels.csv" in first.stdout
    assert "hosted@1: no_artifact" in first.stdout
    file = tmp_path / "target-labels.csv"
    entries = list(csv.DictReader(io.StringIO(file.read_text(encoding="utf-8"))))
    assert len(entries) == 12
    assert all(entry["status"] == "asked" and not entry["label"] and "age=" in entry["preview"] for entry in entries)
    for entry in entries:
        entry["label"] = true_class(zoo, int(entry["row"]))
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, entries[0])
        writer.writeheader()
        writer.writerows(entries)
    found = json.loads(run(*words, "--json").stdout)
    assert (found["winner"], found["labels"]) == ("by-age@1", 12)
    assert found["rows_to_label"] == []
    assert found["standings"][0]["right"] == 12
    assert run(*words).stdout.splitlines()[-1].startswith("winner: by-age@1, at most 0.01 below the best at ")


def test_labels_of_ones_own_in_another_format(run: Run, zoo: Path, tmp_path: Path) -> None:
    rows = list(range(0, ROWS, 2))
    table = pa.table({"row": rows, "label": [true_class(zoo, row) for row in rows]})
    pq.write_table(table, tmp_path / "mine.parquet")
    words = ("query", "--data", zoo / "target.parquet", "--labels-budget", 60, "--labels", tmp_path / "mine.parquet")
    found = run(*words, "--rerank", 3, "--local")
    assert "winner: by-age@1" in found.stdout
    assert "note: 60 labelled rows were not asked for (0, 2, 4, 6, 8, ...); they count all the same" in found.stdout


def test_outputs_that_were_added_need_no_run(run: Run, zoo: Path, server: str) -> None:
    rows = pq.read_table(zoo / "target.parquet")
    with Client(server) as client:
        sample = client.put_evaluation_sample(rows, points_only=True)
        for name, column in (("hosted", "age"), ("by-height", "height")):
            dog = np.where(np.array(rows.column(column)) > 0, 0.9, 0.1)
            client.add_outputs(name, sample, np.stack([1 - dog, dog], axis=1))
        session = client.start_labelling(rows, sample=sample)
        assert {standing.model for standing in session.verdict().standings} == {"hosted@1", "by-height@1"}
        while session.verdict().winner is None:
            (row,) = session.next_rows()
            session.label(row, true_class(zoo, row))
        assert session.verdict().winner == "hosted@1"
        with pytest.raises(LocalError, match=r"has 9 rows, and the sample smp_[0-9a-f]+ 120"):
            client.start_labelling(rows.slice(0, 9), sample=sample)
    words = ("query", "--data", zoo / "target.parquet", "--labels-budget", 3, "--sample", sample.id)
    assert "2 candidates after 0 labels" in run(*words).stdout


def test_f1_is_a_way_to_judge(run: Run, zoo: Path) -> None:
    words = ("query", "--data", zoo / "target.parquet", "--labels-budget", 3, "--json")
    assert json.loads(run(*words, "--f1", "dog").stdout)["standings"]
    assert "no candidate knows the class 'fox'" in run(*words, "--f1", "fox", code=1).stderr


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("--labels", "x.csv"), 2, "--labels needs --labels-budget"),
        (("--labels-budget", "0"), 2, "labels-budget"),
        (("--labels-budget", "3", "--rerank", "5"), 1, "no registered agent could run a model now, so no row was sent"),
        (("--labels-budget", "3", "--local"), 2, "--local needs --rerank"),
        (("--labels-budget", "3", "--keep", "2h"), 2, "--keep needs --rerank"),
        (("--labels-budget", "3", "--sample", "smp_1", "--rerank", "5"), 2, "--sample says which models take part"),
        (("--labels-budget", "3", "--sample", "smp_1", "--text", "x"), 2, "--sample says which models take part"),
        (("--labels-budget", "3", "--sample", "smp_1"), 1, "there is no evaluation sample 'smp_1'"),
        (("--sample", "smp_1"), 2, "--sample needs --labels-budget"),
        (("--labels-budget", "3", "--confidence", "1"), 2, "--confidence must lie above 0.5"),
        (("--labels-budget", "3", "--tolerance", "-1"), 2, "--tolerance must be at least 0"),
        (("--labels-budget", "3", "--explain"), 2, "--labels-budget and --explain do not go together"),
        (("--labels-budget", "3", "--labels", "x.txt"), 1, "must end in .csv, .json or .parquet"),
        (("--labels-budget", "3", "--text", "by-age"), 1, "of 1 only 1 could be run"),
    ],
)
def test_options_that_do_not_go_together(run: Run, zoo: Path, words: tuple[str, ...], code: int, message: str) -> None:
    failed = run("query", "--data", zoo / "target.parquet", *words, code=code)
    assert message in failed.stderr
    assert failed.stdout == ""


def test_a_bad_label_is_named_and_the_file_kept(run: Run, zoo: Path, tmp_path: Path) -> None:
    file = tmp_path / "bad.csv"
    file.write_text("row,label\n3,dgo\n", encoding="utf-8")
    failed = run("query", "--data", zoo / "target.parquet", "--labels-budget", 3, "--labels", file, code=1)
    assert "row 3: no candidate knows the class 'dgo'; did you mean 'dog'?" in failed.stderr
    assert file.read_text(encoding="utf-8") == "row,label\n3,dgo\n"


def test_answers_at_a_terminal(server: str, zoo: Path, tmp_path: Path) -> None:
    """Through a real terminal: a wrong answer, undo, skip, quit, and going on."""
    file = tmp_path / "answers.csv"
    words = ["query", "--data", str(zoo / "target.parquet"), "--labels-budget", "30", "--labels", str(file)]
    shown = at_terminal(server, tmp_path, words, ["dgo", "2", "undo", "1", "s", "q"])
    assert "'dgo' is no class here; did you mean 'dog'?" in shown
    assert "is asked for again" in shown
    assert "1 cat, 2 dog; s skip, u undo, q quit, n none" in shown
    assert "the same command goes on from here" in shown
    entries = list(csv.DictReader(io.StringIO(file.read_text(encoding="utf-8"))))
    assert sorted((entry["label"], entry["status"]) for entry in entries) == [
        ("", "asked"),
        ("", "skipped"),
        ("cat", "asked"),
    ]

    def answer(text: str) -> str:
        row = int(text.rpartition("\nrow ")[2].partition(",")[0])
        return true_class(zoo, row)

    shown = at_terminal(server, tmp_path, words, [answer] * 30)
    assert "winner: by-age@1" in shown


def at_terminal(
    server: str, folder: Path, words: list[str], answers: list[str | Callable[[str], str]], limit_s: float = 200
) -> str:
    """Runs the program on a terminal of its own and answers whenever it asks; what it printed."""
    ours, theirs = pty.openpty()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MSEARCH_")}
    environment |= {"MSEARCH_SERVER": server, "XDG_CACHE_HOME": str(folder / "cache"), "COLUMNS": "100", "TERM": "dumb"}
    program = [sys.executable, "-c", "from msearch_cli import main; main()", *words]
    process = subprocess.Popen(
        program, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, cwd=folder, start_new_session=True
    )
    os.close(theirs)
    shown, left, deadline = "", list(answers), time.monotonic() + limit_s
    try:
        while time.monotonic() < deadline:
            ready, _, _ = select.select([ours], [], [], 1.0)
            if not ready:
                if process.poll() is not None:
                    break
                continue
            try:
                part = os.read(ours, 4096)
            except OSError:  # the other side closed the terminal
                break
            if not part:
                break
            shown += part.decode(errors="replace").replace("\r\n", "\n")
            if shown.endswith("class: ") and left:
                reply = left.pop(0)
                os.write(ours, ((reply if isinstance(reply, str) else reply(shown)) + "\n").encode())
                shown += "\n"
    finally:
        process.kill()
        process.wait()
        os.close(ours)
    return shown


def test_images_are_written_where_they_can_be_seen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stream = io.BytesIO()
    Image.new("L", (16, 15), 128).save(stream, "PNG")
    rows = pa.table({"image": [{"bytes": stream.getvalue(), "path": None}, {"bytes": b"no image", "path": None}]})
    show_row(rows, 0, tmp_path / "shown")
    # Wherever the line is folded: how long the path is depends on who runs the test.
    shown = "".join(capsys.readouterr().out.split())
    assert shown == f"imageof16x15pixels:{tmp_path / 'shown' / 'row-0.png'}"
    with Image.open(tmp_path / "shown" / "row-0.png") as image:
        assert image.size == (256, 240)
    show_row(rows, 0, None)
    assert "--show-in FOLDER" in capsys.readouterr().out
    show_row(rows, 1, tmp_path / "shown")
    assert capsys.readouterr().out.strip() == "8 bytes"
    write_images(rows, 1, tmp_path / "nothing")
    assert not (tmp_path / "nothing").exists()
    (tmp_path / "file").write_text("")
    with pytest.raises(LocalError, match="cannot write"):
        show_row(rows, 0, tmp_path / "file")

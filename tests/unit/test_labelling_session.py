"""The labelling session of the SDK: answers, files, and going on from them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from msearch_accuracy import CandidateEvidence
from msearch_client import LabellingSession, LocalError
from msearch_client._row_previews import describe, preview, sparkline
from msearch_client.cli.answers import Answer, Answers
from tests.made_up_accuracy import CLASSES, outputs

ROWS = 60


def session(
    path: Path | None = None, *, kept: np.ndarray | None = None, classes: tuple[str, ...] = CLASSES
) -> LabellingSession:
    """Three candidates on sixty texts."""
    random = np.random.default_rng(0)
    count = ROWS if kept is None else int(kept.sum())
    labels = random.integers(0, 3, count)
    candidates = [
        CandidateEvidence(f"mdl_{at}", classes, outputs(reach, labels, random))
        for at, reach in enumerate((0.9, 0.7, 0.4))
    ]
    names = {f"mdl_{at}": f"model-{at}@1" for at in range(3)}
    return LabellingSession(pa.table({"text": [f"text {row}" for row in range(ROWS)]}), candidates, names, kept=kept,
                            labels_file=path)  # fmt: skip


@pytest.mark.parametrize("ending", ["csv", "json", "parquet"])
def test_every_answer_is_saved_and_a_new_session_goes_on(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"labels.{ending}"
    first = session(path)
    (a,) = first.next_rows()
    first.label(a, "dog")
    (b,) = first.next_rows()
    first.skip(b)
    (c,) = first.next_rows()
    first.label(c, None)
    (d,) = first.next_rows()
    second = session(path)
    assert second.labels == first.labels == {a: "dog", c: None}
    assert second.skipped == (b,)
    assert second.waiting == (d,)
    assert second.next_rows() == [d]
    assert second.verdict() == first.verdict()
    assert second.unasked == ()


def test_undo_takes_back_the_last_answers_one_by_one(tmp_path: Path) -> None:
    found = session(tmp_path / "labels.csv")
    (a,) = found.next_rows()
    found.label(a, "cat")
    (b,) = found.next_rows()
    found.skip(b)
    assert found.undo() == b
    assert found.next_rows() == [b]
    assert found.undo() == a
    assert found.undo() is None
    assert found.labels == {}
    assert set(session(tmp_path / "labels.csv").waiting) == {a, b}


def test_rows_that_were_not_asked_for_count_and_are_said(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("row,label,who\n3,cat,me\n7,eel,me\n", encoding="utf-8")
    found = session(path)
    assert found.labels == {3: "cat", 7: "eel"}
    assert found.unasked == (3, 7)
    (notice,) = found.verdict().notices
    assert notice == "2 labelled rows were not asked for (3, 7); they count all the same"
    found.label(found.next_rows()[0], "dog")
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[0] == "row,label,status,preview,who"
    assert "3,cat,,,me" in lines  # other columns stay
    assert session(path).unasked == (3, 7)


def test_labels_as_data_sets_write_them(tmp_path: Path) -> None:
    pq.write_table(pa.table({"row": [1.0, 2.0, 5.0], "label": [0.0, 2.0, None]}), tmp_path / "a.parquet")
    assert session(tmp_path / "a.parquet", classes=("0", "1", "2")).labels == {1: "0", 2: "2"}
    (tmp_path / "b.json").write_text(json.dumps([{"row": "4", "label": True}]), encoding="utf-8")
    assert session(tmp_path / "b.json", classes=("false", "true", "unsure")).labels == {4: "true"}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "row,label\n3,cta\n", "row 3: no candidate knows the class 'cta'; did you mean 'cat'?"),
        ("a.csv", "row,label\n60,cat\n", "there is no row 60: the target has rows 0 to 59"),
        ("a.csv", "row,label\nx,cat\n", "entry 1: 'x' is no row number"),
        ("a.csv", "number,class\n1,cat\n", "needs the columns `row` and `label`; it has number, class"),
        ("a.csv", "some notes of mine\n", "needs the columns `row` and `label`; it has some notes of mine"),
        ("a.csv", "row,label\n3,cat\n3,dog\n", "labels row 3 twice, as 'cat' and as 'dog'"),
        ("a.json", '{"row": 3}', "must be a list of objects"),
        ("a.json", "[", "cannot read the labels in"),
        ("a.parquet", "no parquet", "cannot read the labels in"),
        ("a.txt", "", "must end in .csv, .json or .parquet"),
    ],
)
def test_files_that_cannot_be_used_are_left_as_they_are(tmp_path: Path, name: str, content: str, message: str) -> None:
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    with pytest.raises(LocalError) as caught:
        session(path)
    assert message in caught.value.message
    assert path.read_text(encoding="utf-8") == content


def test_rows_keep_their_numbers_where_some_cannot_be_read() -> None:
    kept = np.ones(ROWS, bool)
    kept[[0, 1, 2, 30]] = False
    found = session(kept=kept)
    rows = found.next_rows(56)
    assert not {0, 1, 2, 30} & set(rows)
    assert max(rows) == 59 or 59 not in rows
    found.label(rows[0], "cat")
    assert found.labels == {rows[0]: "cat"}
    with pytest.raises(LocalError, match="row 30 could not be read by every candidate"):
        found.label(30, "cat")


def test_a_bad_answer_changes_nothing(tmp_path: Path) -> None:
    found = session(tmp_path / "labels.csv")
    found.label(5, "cat")
    before = (tmp_path / "labels.csv").read_bytes()
    with pytest.raises(LocalError, match="did you mean 'eel'"):
        found.label(6, "eeel")
    assert found.labels == {5: "cat"}
    assert (tmp_path / "labels.csv").read_bytes() == before
    with pytest.raises(LocalError, match="cannot write the labels"):
        found.save(tmp_path / "absent" / "labels.csv")


def test_a_verdict_is_json() -> None:
    found = session()
    for row in range(0, ROWS, 2):
        found.label(row, "cat")
    document = json.loads(json.dumps(found.verdict().to_dict()))
    assert document["labels"] == 30
    assert {item["model"] for item in document["standings"]} == {"model-0@1", "model-1@1", "model-2@1"}


@pytest.mark.parametrize(
    ("classes", "text", "expected"),
    [
        (("cat", "dog"), " dog ", Answer("dog")),
        (("cat", "dog"), "DOG", Answer("dog")),
        (("cat", "dog"), "2", Answer("dog")),
        (("cat", "dog"), "s", Answer(None, "skip")),
        (("cat", "dog"), ":undo", Answer(None, "undo")),
        (("cat", "dog"), "n", Answer(None)),
        (("s", "q"), "s", Answer("s")),
        (("s", "q"), ":s", Answer(None, "skip")),
        (("7", "2"), "2", Answer("2")),
        (("A", "a"), "a", Answer("a")),
    ],
)
def test_answers_mean_classes_numbers_or_commands(classes: tuple[str, ...], text: str, expected: Answer) -> None:
    assert Answers(classes).read(text) == expected


@pytest.mark.parametrize(("classes", "text"), [(("cat", "dog"), "3"), (("7", "2"), "1"), (("cat", "dog"), "")])
def test_other_answers_are_refused(classes: tuple[str, ...], text: str) -> None:
    with pytest.raises(LocalError, match="is no class here; did you mean"):
        Answers(classes).read(text)


def test_rows_are_described_for_people() -> None:
    assert describe({"bytes": b"123", "path": None}) == "3 bytes"
    assert describe({"name": "Ann", "age": 3.0}) == "name: Ann, age: 3"
    assert sparkline([0.0, 1.0, 2.0, float("nan")]) == "▁▅█ (0 to 2)"
    assert sparkline([]) == "no values"
    assert describe([[1.0, 1.0], [0.0, 2.0]]) == "▁▁ (1 to 1) | ▁█ (0 to 2)"
    table = pa.table({"text": ["one\ntwo " * 40]})
    assert preview(table, 0).startswith("one two one")
    assert len(preview(table, 0)) == 80

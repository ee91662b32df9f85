"""`query --drift` and `--drift-from` against the real service: verdicts, JSON, and how they fail."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from msearch_client import Client
from tests.integration.commands import Run
from tests.small_zoo import make_table, write_zoo


@pytest.fixture(scope="module")
def zoo(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A registered zoo, and targets that have moved and have not."""
    folder = tmp_path_factory.mktemp("zoo")
    run("register", "--manifest", write_zoo(folder))
    pq.write_table(make_table(0.0, 170, labels=False), folder / "same.parquet")
    pq.write_table(make_table(3.0, 170, labels=False), folder / "moved.parquet")
    return folder


def test_without_a_service_two_files_compare(run: Run, zoo: Path) -> None:
    nowhere = "localhost:9"
    stayed = run("query", "--data", zoo / "same.parquet", "--drift", zoo / "near.parquet", address=nowhere)
    assert stayed.stdout.startswith("NONE: ")
    moved = run("query", "--data", zoo / "moved.parquet", "--drift", zoo / "near.parquet", address=nowhere)
    assert moved.stdout.startswith("MOVED: ")
    assert "as the nearest base rows tell" in moved.stdout
    assert "rows where the base has none, counted from 0: " in moved.stdout


def test_a_registered_dataset_is_compared_by_its_signature(run: Run, zoo: Path) -> None:
    near = json.loads(run("datasets", "list", "--json").stdout)
    name = next(
        item["name"] for item in (near if isinstance(near, list) else near["datasets"]) if "near" in item["name"]
    )
    stayed = json.loads(run("query", "--data", zoo / "same.parquet", "--drift-from", name, "--json").stdout)
    assert (stayed["verdict"], stayed["basis"], stayed["base"]) == ("NONE", "signatures", name)
    assert any("only signatures were compared" in notice for notice in stayed["notices"])
    moved = json.loads(run("query", "--data", zoo / "moved.parquet", "--drift-from", name, "--json").stdout)
    assert moved["verdict"] == "MOVED"
    assert moved["p_value"] < stayed["p_value"]
    assert moved["outliers"]


def test_a_targets_signature_will_do(run: Run, server: str, zoo: Path, tmp_path: Path) -> None:
    run("sketch", zoo / "moved.parquet", "--output", tmp_path / "target.sig")
    with Client(server) as client:
        name = next(iter(client.datasets())).name
    told = json.loads(run("query", "--signature", tmp_path / "target.sig", "--drift-from", name, "--json").stdout)
    assert told["basis"] == "signatures"
    assert told["outliers"] == []


def test_counted_classes_are_compared(server: str) -> None:
    with Client(server) as client:
        found = client.drift(make_table(0.0, 210), make_table(0.0, 190))
    assert found.classes_counted
    assert {shift.name for shift in found.class_shifts} == {"cat", "dog"}
    assert repr(found).startswith("Drift(NONE, p=")


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (
            ("--data", "same.parquet", "--drift", "near.parquet", "--drift-from", "x"),
            2,
            "either --drift or --drift-from",
        ),
        (("--data", "same.parquet", "--drift", "absent.parquet"), 1, "absent.parquet"),
        (("--data", "same.parquet", "--drift-from", "nothing-of-the-kind"), 1, "nothing-of-the-kind"),
        (("--data", "same.parquet", "--drift", "few.parquet"), 1, "few.parquet has 3 rows; at least 5 are needed"),
        (("--data", "other.parquet", "--drift", "near.parquet"), 1, "other.parquet"),
    ],
)
def test_what_cannot_be_compared(run: Run, zoo: Path, words: tuple[str, ...], code: int, message: str) -> None:
    pq.write_table(make_table(0.0, 3), zoo / "few.parquet")
    pq.write_table(pa.table({"text": [f"a text {number}" for number in range(20)]}), zoo / "other.parquet")
    named = [str(zoo / word) if word.endswith(".parquet") else word for word in words]
    failed = run("query", *named, code=code)
    assert message in failed.stderr
    assert "Traceback" not in failed.stderr
    assert failed.stdout == ""


def test_drift_takes_one_base(server: str) -> None:
    with Client(server) as client, pytest.raises(TypeError, match="either base or dataset"):
        client.drift(make_table(0.0))

"""Validation at registration: what is measured, what is stored, what leaves this machine, and what fails."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from typer.testing import CliRunner, Result

from msearch_card import parse_card
from msearch_client import Client, InvalidArgumentError, LocalError
from msearch_client.cli import app
from msearch_running import run_model
from tests.small_zoo import make_card, make_table, write_net, write_zoo


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("zoo")
    write_zoo(made)
    pq.write_table(make_table(0.0, 120), made / "held-out.parquet")
    return made


@pytest.fixture
def run(server: str) -> Any:
    def call(*words: Any, code: int = 0) -> Result:
        environment = {"MSEARCH_SERVER": server, "COLUMNS": "140", "MSEARCH_CONFIG": None, "MSEARCH_DEBUG": None}
        result = CliRunner().invoke(app, [str(word) for word in words], env=environment)
        assert result.exit_code == code, f"{result.stdout}\n{result.stderr}"
        return result

    return call


def register(run: Any, folder: Path, name: str, *words: Any, code: int = 0) -> Result:
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(make_card(name)), encoding="utf-8")
    found: Result = run(
        "register", folder / f"{name}.yaml", "--artifact", folder / "near.onnx", "--data", folder / "near.parquet",
        "--dataset", f"{name}-data", "--labels", "label", *words, code=code,
    )  # fmt: skip
    return found


def share_right(folder: Path) -> float:
    rows = pq.read_table(folder / "held-out.parquet")
    outputs = run_model(parse_card(make_card("near")), folder / "near.onnx", rows)
    return float(np.mean([a == b for a, b in zip(outputs.named_votes(), rows["label"].to_pylist(), strict=True)]))


def test_a_model_is_validated_here_and_only_statistics_are_sent(run: Any, client: Client, folder: Path) -> None:
    shown = register(run, folder, "one", "--validation", folder / "held-out.parquet")
    found = client.get_model("one").validation
    assert found is not None
    assert found.accuracy == pytest.approx(share_right(folder))
    assert (found.row_count, found.measured_by, found.sample_digest) == (120, "client", "")
    assert sum(found.class_prior) == pytest.approx(1)
    assert f"accuracy {found.accuracy:.4g} (" in shown.stdout
    assert "on 120 rows, measured by its owner" in shown.stdout
    assert "claimed" in shown.stdout
    assert shown.stderr == ""
    assert client.evaluation_samples().total == 0


def test_shared_rows_become_a_validation_sample_and_that_is_said_first(run: Any, client: Client, folder: Path) -> None:
    result = register(run, folder, "two", "--validation", folder / "held-out.parquet", "--share-validation")
    assert result.stderr.startswith("note: the labelled rows of ")
    assert "for everybody to run models on" in result.stderr
    (sample,) = client.evaluation_samples(dataset="two-data")
    assert (sample.row_count, sample.has_rows, sample.label_column) == (120, True, "label")
    model = client.get_model("two")
    assert model.validation is not None
    assert model.validation.measured_by == "outputs"
    assert model.validation.sample_digest == sample.digest
    assert model.validation.accuracy == pytest.approx(share_right(folder))
    listed = run("evaluations", "list", "--model", "two").stdout
    assert sample.id in listed
    assert "1 evaluation" in listed
    assert run("samples", "list", "--kind", "validation").stdout.count(sample.id) == 1
    assert f"deleted {sample.id}" in run("samples", "delete", sample.id, "--yes").stdout
    assert client.evaluation_samples(dataset="two-data").total == 0


def test_what_cannot_be_validated_stays_registered_and_says_so(run: Any, client: Client, folder: Path) -> None:
    table = make_table(0.0, 30).set_column(3, "label", pa.array(["fish"] * 30))
    pq.write_table(table, folder / "fish.parquet")
    result = register(run, folder, "three", "--validation", folder / "fish.parquet", code=1)
    assert "three@1 is registered, and not validated: " in result.stderr
    assert "the labels are fish, its classes cat, dog" in result.stderr
    assert "hint: `msearch-cli models validate three@1 --data" in result.stderr
    assert client.get_model("three").validation is None
    again = run("models", "validate", "three", "--data", folder / "held-out.parquet", "--labels", "label")
    assert "on 120 rows, measured by its owner" in again.stdout
    assert client.get_model("three").validation is not None


def test_a_manifest_says_what_each_model_is_validated_on(run: Any, client: Client, folder: Path) -> None:
    (folder / "listed.yaml").write_text(yaml.safe_dump(make_card("listed")), encoding="utf-8")
    (folder / "wrong.yaml").write_text(yaml.safe_dump(make_card("wrong")), encoding="utf-8")
    dataset = {"name": "listed-data", "data": "near.parquet", "labels": "label"}
    entry = {"card": "listed.yaml", "artifact": "near.onnx", "dataset": dataset}
    entries = [
        entry | {"validation": {"data": "held-out.parquet", "labels": "label"}},
        entry | {"card": "wrong.yaml", "validation": {"data": "missing.parquet"}},
    ]
    path = folder / "validated.yaml"
    path.write_text(yaml.safe_dump({"version": 1, "models": entries}), encoding="utf-8")
    result = run("register", "--manifest", path, code=1)
    assert result.stdout.splitlines()[0] == "1 registered, 0 skipped, 1 failed"
    assert "wrong@1 is registered, and not validated: " in result.stderr
    assert client.get_model("listed").validation is not None
    entries[1]["validation"] = {"data": "held-out.parquet"}
    path.write_text(yaml.safe_dump({"version": 1, "models": entries}), encoding="utf-8")
    assert run("register", "--manifest", path).stdout.splitlines()[0] == "0 registered, 2 skipped, 0 failed"
    assert client.get_model("wrong").validation is not None


def test_a_validated_model_as_json(run: Any, folder: Path) -> None:
    register(run, folder, "five", "--validation", folder / "held-out.parquet")
    document = json.loads(run("models", "show", "five", "--json").stdout)
    assert document["validation"]["row_count"] == 120
    assert document["metrics"][0]["name"] == "accuracy"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--share-validation"], "--validate-by and --share-validation need --validation"),
        (["--validate-by", "agent"], "--validate-by and --share-validation need --validation"),
        (["--validate-by", "me"], "'me'"),
    ],
)
def test_wrong_usage(run: Any, folder: Path, words: list[str], said: str) -> None:
    assert said in register(run, folder, "none", *words, code=2).stderr


def test_rows_without_labels_or_a_source_cannot_be_used(client: Client, folder: Path) -> None:
    write_net(folder / "alone.onnx")
    model = client.register_model(make_card("alone"), artifact=folder / "alone.onnx")
    with pytest.raises(LocalError, match="validation needs labels"):
        client.validate(model, make_table(0.0, 20, labels=False))
    with pytest.raises(LocalError, match="has no source dataset that a validation sample could belong to"):
        client.validate(model, make_table(0.0, 20), share=True)
    assert client.validate(model, make_table(0.0, 20)).row_count == 20
    with pytest.raises(LocalError, match="no registered agent could run a model now, so no row was sent"):
        client.validate(model, make_table(0.0, 20), by="agent")


def test_outputs_that_were_computed_elsewhere_count_as_evidence(client: Client, folder: Path) -> None:
    hosted = client.register_model(
        make_card("hosted", artifact={"format": "none"}),
        dataset=client.new_dataset("hosted-data", make_table(0.0, 100)),
    )
    sample = client.put_evaluation_sample(make_table(0.0, 40), dataset="hosted-data", labels="label", points_only=True)
    assert not sample.has_rows
    outputs = np.tile([[0.9, 0.1]], (40, 1))
    added = client.add_outputs(hosted, sample, outputs)
    assert added.row_count == 40
    labels = make_table(0.0, 40)["label"].to_pylist()
    assert added.accuracy == pytest.approx(labels.count("cat") / 40)
    swapped = client.add_outputs("hosted", sample.id, outputs, classes=["dog", "cat"])
    assert swapped.accuracy == pytest.approx(labels.count("dog") / 40)
    with pytest.raises(LocalError, match="must be an array"):
        client.add_outputs(hosted, sample, [0.5, 0.5])
    with pytest.raises(LocalError, match="must be an array of numbers"):
        client.add_outputs(hosted, sample, [["a", "b"]])
    with pytest.raises(InvalidArgumentError, match="one column for each of these classes"):
        client.add_outputs(hosted, sample, np.ones((40, 1)))


def test_with_json_a_note_is_json_too(run: Any, folder: Path) -> None:
    result = register(run, folder, "noted", "--validation", folder / "held-out.parquet", "--share-validation", "--json")
    assert "are stored with" in json.loads(result.stderr)["note"]
    assert json.loads(result.stdout)["validation"]["measured_by"] == "outputs"

"""`query --ensemble` against the real service."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from msearch_client import Client, LocalError
from tests.integration.commands import Run
from tests.small_zoo import make_card, make_table, write_zoo


@pytest.fixture(scope="module")
def zoo(server: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sources near 0, 1.5 and 6, two models on the first, one model of other classes; a target near 0 and 6."""
    folder = tmp_path_factory.mktemp("zoo")
    write_zoo(folder)
    with Client(server) as client:
        for name in ("near", "mid", "far"):
            source = client.new_dataset(f"{name}-data", folder / f"{name}.parquet", labels="label")
            client.register_model(folder / f"{name}.yaml", artifact=folder / f"{name}.onnx", dataset=source)
        better = make_card("near-better", metrics=[{"name": "accuracy", "value": 0.95}])
        client.register_model(better, artifact=folder / "near.onnx", dataset="near-data")
        alien = client.new_dataset("alien-data", make_table(-8.0), labels="label")
        client.register_model(make_card("alien", classes=["x", "y"]), artifact=folder / "far.onnx", dataset=alien)
    both = pa.concat_tables([make_table(0.0, 120, labels=False), make_table(6.0, 80, labels=False)])
    pq.write_table(both, folder / "both.parquet")
    return folder


def test_two_models_share_a_target_that_lies_in_two_places(run: Run, zoo: Path) -> None:
    shown = run("query", "--data", zoo / "both.parquet", "--ensemble", 2).stdout
    assert shown.startswith("2 models of 3 sources cover 0.")
    assert "note: 1 candidates share no class with" in shown
    found = json.loads(run("query", "--data", zoo / "both.parquet", "--ensemble", 2, "--json").stdout)
    assert [item["model"] for item in found["members"]] == ["near-better@1", "far@1"]
    assert found["members"][0]["others"] == ["near@1"]
    assert [round(item["routed"], 1) for item in found["members"]] == [0.6, 0.4]
    assert found["covered"] > found["best_alone"] + 0.2
    assert found["covered"] == pytest.approx(sum(item["adds"] for item in found["members"]))
    assert len(found["routes"]) == 200
    assert sum(found["routes"][:120]) <= 3
    assert sum(found["routes"][120:]) >= 77


def test_one_model_is_said_to_be_enough(run: Run, zoo: Path) -> None:
    shown = run("query", "--data", zoo / "target.parquet", "--ensemble", 3).stdout
    assert "note: one model covers nearly as much as all" in shown


def test_a_signature_will_do(run: Run, zoo: Path, tmp_path: Path) -> None:
    run("sketch", zoo / "both.parquet", "--output", tmp_path / "both.sig")
    found = json.loads(run("query", "--signature", tmp_path / "both.sig", "--ensemble", 2, "--json").stdout)
    assert [item["model"] for item in found["members"]] == ["near-better@1", "far@1"]
    assert found["routes"] == []


def test_what_cannot_be_suggested(run: Run, server: str, zoo: Path) -> None:
    assert "--ensemble and --rerank do not go together" in run(
        "query", "--data", zoo / "both.parquet", "--ensemble", 2, "--rerank", 3, code=2
    ).stderr  # fmt: skip
    nothing = run("query", "--data", zoo / "both.parquet", "--ensemble", 2, "--tag", "no-such-tag", code=1)
    assert "no candidate has a source that could cover the target" in nothing.stderr
    with Client(server) as client, pytest.raises(LocalError, match="at least one member"):
        client.suggest_ensemble(zoo / "both.parquet", members=0)

"""Re-ranking on the user's own machine, against the real service: what is run, what is predicted, what leaves it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from onnx import TensorProto, helper, numpy_helper
from typer.testing import CliRunner, Result

from msearch_accuracy import default_predictor
from msearch_client import Client, Filter, LocalError, Ranking
from msearch_client._local_running import LocalRun, run_locally
from msearch_client._predicting import predict_locally
from msearch_client.cli import app
from msearch_running import Outputs
from msearch_sketch import Points
from tests.small_zoo import make_card, make_table, write_net, write_zoo


@pytest.fixture(scope="module")
def zoo(client: Client, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three sound models, one that gives NaN, one that is hosted elsewhere, and one that crashes nobody's process."""
    folder = tmp_path_factory.mktemp("zoo")
    write_zoo(folder)
    for name in ("near", "mid", "far"):
        source = client.new_dataset(f"{name}-data", folder / f"{name}.parquet", labels="label")
        client.register_model(folder / f"{name}.yaml", artifact=folder / f"{name}.onnx", dataset=source)
    write_net(folder / "nan.onnx", bias=float("nan"))
    client.register_model(make_card("nan"), artifact=folder / "nan.onnx", dataset="near-data")
    client.register_model(make_card("hosted", artifact={"format": "none"}), dataset="near-data")
    return folder


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("artifacts")


@pytest.fixture(scope="module")
def ranking(client: Client, zoo: Path, artifacts: Path) -> Ranking:
    return client.rerank(zoo / "target.parquet", k=5, local=True, explain=True, artifacts=artifacts)


def names(ranking: Ranking) -> list[str]:
    return [candidate.model.name for candidate in ranking]


def test_candidates_are_ordered_by_what_their_outputs_foretell(ranking: Ranking) -> None:
    assert sorted(names(ranking)) == ["far", "mid", "near"]
    assert [candidate.rank for candidate in ranking] == [1, 2, 3]
    foretold = [candidate.prediction for candidate in ranking]
    accuracies = [found.accuracy for found in foretold if found is not None and found.accuracy is not None]
    assert len(accuracies) == 3
    assert accuracies == sorted(accuracies, reverse=True)
    assert ranking.order_by[0].score == "predicted_accuracy"
    for found in foretold:
        assert found is not None
        assert found.form == "outputs"
        assert found.evidence_count > 0
        assert found.predictor_version == "default"
        assert found.low is not None
        assert found.high is not None
        assert 0 <= found.low <= found.accuracy <= found.high <= 1
        changes = [abs(item.change) for item in found.contributions]
        assert changes == sorted(changes, reverse=True)
        assert changes


def test_failures_are_named_and_fail_nobody_else(ranking: Ranking) -> None:
    failed = {item.model: item for item in ranking.failed}
    assert set(failed) == {"nan@1", "hosted@1"}
    assert failed["nan@1"].code == "wrong_output"
    assert "NaN" in failed["nan@1"].message
    assert failed["hosted@1"].code == "no_artifact"


def test_a_ranking_shows_its_predictions(ranking: Ranking) -> None:
    lines = repr(ranking).splitlines()
    assert lines[1].split() == ["model", "dataset", "predicted", "adaptivity"]
    first = ranking[0].prediction
    assert first is not None
    assert first.accuracy is not None
    assert f"{first.accuracy:.3f} (" in lines[2]
    assert lines[-1] == "2 more could not be run, see .failed"
    row = ranking.to_dicts()[0]
    assert (row["predicted_accuracy"], row["predicted_low"]) == (first.accuracy, first.low)


def test_no_row_leaves_this_machine(client: Client, ranking: Ranking) -> None:
    assert ranking.signature is not None
    assert client.evaluation_samples().total == 0
    assert client.evaluations().total == 0
    assert client.list_jobs().total == 0


def test_artifacts_are_kept_by_digest_and_not_believed_blindly(
    client: Client, zoo: Path, ranking: Ranking, artifacts: Path
) -> None:
    digest = client.get_model("near").artifact.digest
    kept = artifacts / digest
    assert kept.read_bytes() == (zoo / "near.onnx").read_bytes()
    kept.write_bytes(b"damaged")
    again = client.rerank(zoo / "target.parquet", k=5, local=True, artifacts=artifacts)
    assert names(again) == names(ranking)
    assert kept.read_bytes() == (zoo / "near.onnx").read_bytes()


def test_limits_and_filters_choose_who_is_run(client: Client, zoo: Path, artifacts: Path) -> None:
    limited = client.rerank(zoo / "target.parquet", k=5, local=True, require="p99_ms<=20", artifacts=artifacts)
    assert names(limited) == []
    assert limited.unmeasured_total > 0
    two = client.rerank(zoo / "target.parquet", k=2, local=True, order_by="source_accuracy", artifacts=artifacts)
    assert len(two) + len(two.failed) == 2


def test_behaviour_scores_are_computed_here_too(client: Client, zoo: Path, artifacts: Path) -> None:
    asked = ["confidence", "atc", "dawid_skene", "worst_noise", "nearest"]
    ranking = client.rerank(zoo / "target.parquet", k=5, local=True, scores=asked, with_noise=True, artifacts=artifacts)
    assert len(ranking) == 3
    for candidate in ranking:
        assert 0.5 <= (candidate.score("confidence") or 0) <= 1
        assert 0 <= (candidate.score("dawid_skene") or 0) <= 1
        assert 0 <= (candidate.score("worst_noise") or 0) <= 1
        assert candidate.score("nearest") is not None
        assert candidate.score("atc") is None  # nobody validated it
    detail = next(value.detail for value in ranking[0].scores if value.score == "atc")
    assert "validation statistics" in detail
    plain = client.rerank(zoo / "target.parquet", k=5, local=True, scores="worst_noise", artifacts=artifacts)
    assert plain[0].score("worst_noise") is None


def test_what_cannot_be_asked_is_refused(client: Client, zoo: Path) -> None:
    with pytest.raises(LocalError, match="k must be 1 or more"):
        client.rerank(zoo / "target.parquet", k=0, local=True)


def test_outputs_are_at_hand_for_whoever_goes_on_with_them(client: Client, zoo: Path, artifacts: Path) -> None:
    models = [client.get_model(name) for name in ("near", "nan", "mid")]
    said: list[tuple[float, str]] = []
    rows = pq.read_table(zoo / "target.parquet")
    runs = run_locally(
        client, models, rows, artifacts=artifacts, progress=lambda share, words: said.append((share, words))
    )
    assert [run.outputs is None for run in runs] == [False, True, False]
    assert runs[0].outputs is not None
    assert runs[0].outputs.probabilities.shape == (150, 2)
    shares = [share for share, _ in said]
    assert shares == sorted(shares)
    assert said[0][1] == "runs near@1 (1 of 3)"


def made(client: Client, name: str, missing: int, count: int = 40) -> LocalRun:
    """A run whose model took all but the first `missing` rows."""
    values = np.tile(np.array([[0.8, 0.2], [0.3, 0.7]], np.float32), (count // 2, 1))
    values[:missing] = np.nan
    return LocalRun(client.get_model(name), Outputs(("cat", "dog"), values, "row 0: missing" if missing else ""))


def test_candidates_are_judged_on_the_rows_that_all_took(client: Client, zoo: Path) -> None:
    ticks = np.random.default_rng(0).integers(-500, 500, (40, 4), dtype=np.int16)
    points = Points(ticks, np.ones(40, np.bool_), "")
    runs = [made(client, "near", 0), made(client, "mid", 8), made(client, "far", 9)]
    found = predict_locally(default_predictor(), "default", runs, points, {}, explain=False)
    told = {run.model.name: found[run.model.id] for run in runs}
    assert told["near"].accuracy is not None
    assert told["mid"].accuracy is not None
    assert told["far"].accuracy is None
    assert told["far"].notices == ("it took only 31 of 40 rows: row 0: missing",)
    fewer = predict_locally(
        default_predictor(), "default", [runs[0], made(client, "mid", 0)], points, {}, explain=False
    )
    assert fewer[runs[0].model.id].accuracy is not None


Run = Any


@pytest.fixture
def run(server: str, artifacts: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("MSEARCH_ARTIFACTS", str(artifacts))

    def call(*words: Any, code: int = 0) -> Result:
        environment = {"MSEARCH_SERVER": server, "COLUMNS": "140", "MSEARCH_CONFIG": None, "MSEARCH_DEBUG": None}
        result = CliRunner().invoke(app, [str(word) for word in words], env=environment)
        assert result.exit_code == code, f"{result.stdout}\n{result.stderr}"
        return result

    return call


def test_the_command_line_shows_predictions_and_failures(run: Run, zoo: Path) -> None:
    result = run("query", "--data", zoo / "target.parquet", "--rerank", 5, "--local", "--explain")
    lines = result.stdout.splitlines()
    assert lines[0] == "3 candidates for 150 rows, ordered by predicted_accuracy"
    assert lines[1].split() == [
        "rank", "model", "dataset", "accuracy", "90", "%", "interval", "rests", "on", "adaptivity", "support",
    ]  # fmt: skip
    assert "was run" in lines[2]
    assert any(line.startswith("predictor default, fitted on ") for line in lines)
    assert "not ranked, for they could not be run or judged:" in lines
    assert any(line.strip().startswith("nan@1: wrong_output: ") for line in lines)
    assert "own outputs" in result.stdout
    assert result.stderr == ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--local"], "--local needs --rerank"),
        (["--keep", "2h"], "--keep needs --rerank"),
        (["--rerank", "3", "--local", "--keep", "2h"], "--local stores none"),
        (["--rerank", "3", "--by-service"], "--rerank and --by-service do not go together"),
        (["--rerank", "3", "--pareto", "p99_ms"], "--rerank and --pareto do not go together"),
        (["--rerank", "0"], "greater than or equal to 1"),
    ],
)
def test_options_that_do_not_go_together_are_wrong_usage(run: Run, zoo: Path, words: list[str], said: str) -> None:
    assert said in run("query", "--data", zoo / "target.parquet", *words, code=2).stderr


def test_without_an_agent_no_row_is_sent(run: Run, client: Client, zoo: Path) -> None:
    said = run("query", "--data", zoo / "target.parquet", "--rerank", 3, code=1).stderr
    assert "no registered agent could run a model now, so no row was sent" in said
    assert "--local" in said
    assert client.evaluation_samples().total == 0


def test_a_target_of_other_columns_says_so(run: Run, tmp_path: Path) -> None:
    pq.write_table(pa.table({"z": [1.0] * 20, "y": [2.0] * 20}), tmp_path / "other.parquet")
    result = run("query", "--data", tmp_path / "other.parquet", "--rerank", 3, "--local", code=1)
    assert "no model here was trained on data with the columns" in result.stderr


def test_a_small_target_is_told_from_a_large_one(client: Client, zoo: Path, artifacts: Path) -> None:
    small = client.rerank(make_table(0.0, 12, labels=False), k=3, local=True, artifacts=artifacts)
    notices = {notice for item in small if item.prediction is not None for notice in item.prediction.notices}
    assert any("only 12 rows" in notice for notice in notices)


def test_a_target_of_one_row_is_refused_with_the_reason(run: Run, tmp_path: Path) -> None:
    pq.write_table(make_table(0.0, 1, labels=False), tmp_path / "one.parquet")
    said = run("query", "--data", tmp_path / "one.parquet", "--rerank", 3, "--local", code=1).stderr
    assert "has 1 row; at least 5 are needed" in said


def test_odd_models_are_told_apart_and_fail_nobody_else(client: Client, artifacts: Path, tmp_path: Path) -> None:
    """One that says the same of every row, one with an operator that nobody has, one of other classes."""
    source = client.new_dataset("odd-data", make_table(9.0), labels="label")
    weights = numpy_helper.from_array(np.zeros((3, 2), np.float32), "weights")
    for name in ("flat", "strange", "birds"):
        graph = helper.make_graph(
            [helper.make_node("MatMul", ["rows", "weights"], ["logits"])],
            name,
            [helper.make_tensor_value_info("rows", TensorProto.FLOAT, ["batch", 3])],
            [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 2])],
            [weights],
        )
        if name == "strange":
            graph.node[0].op_type = "Erf"  # which takes one input
        model = helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 20)])
        (tmp_path / f"{name}.onnx").write_bytes(model.SerializeToString())
        classes = ["robin", "wren"] if name == "birds" else ["cat", "dog"]
        registered = client.register_model(
            make_card(f"odd-{name}", tags=["odd"], classes=classes), artifact=tmp_path / f"{name}.onnx", dataset=source
        )
        source = registered.dataset_id
    write_net(tmp_path / "sound.onnx")
    client.register_model(make_card("odd-sound", tags=["odd"]), artifact=tmp_path / "sound.onnx", dataset=source)
    found = client.rerank(
        make_table(9.0, 60, labels=False), k=4, local=True, filter=Filter(tags=("odd",)), artifacts=artifacts
    )
    notices = {item.model.name: item.prediction.notices for item in found if item.prediction is not None}
    assert set(notices) == {"odd-flat", "odd-sound"}
    assert any("the same for every row" in notice for notice in notices["odd-flat"])
    failed = {item.model: item for item in found.failed}
    assert set(failed) == {"odd-strange@1", "odd-birds@1"}
    assert failed["odd-strange@1"].code == "compile_failed"
    assert failed["odd-birds@1"].code == "not_predicted"
    assert "shares no class name with the other candidates" in failed["odd-birds@1"].message

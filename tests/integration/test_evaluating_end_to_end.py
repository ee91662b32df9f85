"""Evaluate jobs from end to end: a real client, a real service, a real agent, over real sockets."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner, Result

from msearch_card import parse_card
from msearch_client import Client, Job, JobFailedError, JobState
from msearch_client.cli import app
from msearch_running import run_model
from tests.agent_process import running_agent
from tests.service_process import running_service
from tests.small_zoo import make_card, make_table, write_net, write_zoo

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("evaluating")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[str]:
    (folder / "service").mkdir()
    with running_service(folder / "service") as address, running_agent(address, folder, "one"):
        yield address


@pytest.fixture(scope="module")
def zoo(client: Client, folder: Path) -> Path:
    """Three sound models, and one that gives NaN, in a folder with their data and a target."""
    write_zoo(folder)
    for name in ("near", "mid", "far"):
        source = client.new_dataset(f"{name}-data", folder / f"{name}.parquet", labels="label")
        client.register_model(folder / f"{name}.yaml", artifact=folder / f"{name}.onnx", dataset=source)
    write_net(folder / "nan.onnx", bias=float("nan"))
    client.register_model(make_card("nan"), artifact=folder / "nan.onnx", dataset="near-data")
    return folder


def ended(client: Client, job: Job) -> Job:
    *_, last = client.watch_job(job)
    return last


def test_the_agent_says_what_it_can_run(client: Client, zoo: Path) -> None:
    (agent,) = client.list_agents()
    assert "onnx" in agent.evaluates


def test_models_run_on_a_target_and_are_not_run_twice(client: Client, zoo: Path) -> None:
    sample = client.put_evaluation_sample(zoo / "target.parquet", keep_s=3600)
    assert (sample.kind, sample.row_count, sample.has_rows) == ("target", 150, True)
    submitted = client.evaluate(["near", "mid", "nan"], sample)
    assert not submitted.refused
    jobs = {job.model_name: ended(client, job) for job in submitted.jobs}
    assert jobs["near@1"].state is JobState.SUCCEEDED
    assert jobs["mid@1"].state is JobState.SUCCEEDED
    failure = jobs["nan@1"].failure
    assert failure is not None
    assert failure.code == "wrong_output"
    assert "NaN" in failure.message
    again = client.evaluate(["near", "mid"], sample)
    assert (again.jobs, len(again.stored_model_ids)) == ((), 2)
    known = {item.model_name: item for item in client.evaluations(sample=sample)}
    assert set(known) == {"near@1", "mid@1"}
    assert known["near@1"].accuracy is None
    assert known["near@1"].row_count == 150
    client.delete_evaluation_sample(sample)
    assert client.evaluations(sample=sample.id).total == 0


def test_an_agent_validates_as_this_machine_does(client: Client, zoo: Path) -> None:
    held_out = make_table(0.0, 90)
    by_agent = client.validate("near", held_out, labels="label", by="agent")
    here = client.validate("mid", held_out, labels="label")
    rows = held_out["label"].to_pylist()
    own = run_model(parse_card(make_card("near")), zoo / "near.onnx", held_out)
    right = np.mean([a == b for a, b in zip(own.named_votes(), rows, strict=True)])
    assert by_agent.accuracy == pytest.approx(float(right))
    assert (by_agent.row_count, by_agent.measured_by) == (90, "agent")
    assert (here.row_count, here.measured_by) == (90, "client")
    (known,) = [item for item in client.evaluations(model="near") if item.accuracy is not None]
    assert known.low is not None
    assert known.high is not None
    assert known.low <= float(right) <= known.high
    assert known.job_id


def test_a_model_that_cannot_be_run_is_told_at_once(client: Client, zoo: Path) -> None:
    with pytest.raises(JobFailedError, match="wrong_output"):
        client.validate("nan", make_table(0.0, 40), labels="label", by="agent")


def test_agents_and_this_machine_foretell_the_same(server: str, client: Client, zoo: Path) -> None:
    said: list[str] = []
    asked = ["confidence", "dawid_skene", "worst_noise"]
    ranking = client.rerank(
        zoo / "target.parquet", k=4, explain=True, scores=asked, with_noise=True,
        running=lambda _, words: said.append(words),
    )  # fmt: skip
    assert [candidate.rank for candidate in ranking] == [1, 2, 3]
    assert {item.model: item.code for item in ranking.failed} == {"nan@1": "wrong_output"}
    assert {"adaptivity", *asked} <= set(ranking.score_names)
    assert any("near@1" in words for words in said)
    here = client.rerank(
        zoo / "target.parquet", k=4, local=True, scores=asked, with_noise=True, artifacts=zoo / "artifacts"
    )
    there = {candidate.model.name: candidate for candidate in ranking}
    for candidate in here:
        for name in asked:
            assert candidate.score(name) == pytest.approx(there[candidate.model.name].score(name), abs=1e-3)
        own, agents = candidate.prediction, there[candidate.model.name].prediction
        assert own is not None
        assert agents is not None
        assert own.form == agents.form == "outputs"
        assert own.accuracy == pytest.approx(agents.accuracy, abs=1e-3)
        assert own.low == pytest.approx(agents.low, abs=1e-3)
        assert own.predictor_version == agents.predictor_version
        assert agents.contributions
    before = client.list_jobs().total
    again = client.rerank(zoo / "target.parquet", k=3)
    assert len(again) + len(again.failed) == 3
    assert client.list_jobs().total - before <= 1  # only the one that failed is tried again


def test_the_command_line_says_what_leaves_this_machine(server: str, client: Client, zoo: Path) -> None:
    environment = {"MSEARCH_SERVER": server, "COLUMNS": "160", "MSEARCH_CONFIG": None, "MSEARCH_DEBUG": None}
    words = ["query", "--data", str(zoo / "target.parquet"), "--rerank", "4", "--keep", "2h"]
    result = CliRunner().invoke(app, words, env=environment)
    assert result.exit_code == 0, result.stderr
    assert result.stderr.startswith(
        f"note: agents run the candidates: the rows of {zoo / 'target.parquet'} go to {server} for 2 hours"
    )
    assert result.stdout.splitlines()[0] == "3 candidates for 150 rows, ordered by predicted_accuracy"
    assert "nan@1: wrong_output: " in result.stdout


def test_calibrating_runs_models_on_the_samples_of_others(server: str, client: Client, zoo: Path) -> None:
    for name, shift in (("near", 0.0), ("mid", 1.5), ("far", 6.0)):
        client.validate(name, make_table(shift, 60), labels="label", share=True)
    environment = {"MSEARCH_SERVER": server, "COLUMNS": "160", "MSEARCH_CONFIG": None, "MSEARCH_DEBUG": None}

    def run(*words: str, code: int = 0) -> Result:
        result = CliRunner().invoke(app, words, env=environment)
        assert result.exit_code == code, f"{result.stdout}\n{result.stderr}"
        return result

    planned = run("calibrate", "--budget", "5m", "--dry-run").stdout
    assert "evaluations planned, about " in planned
    assert "mid-data@1" in planned
    assert client.list_jobs(state="pending").total == 0
    done = run("calibrate", "--budget", "5m", "--wait")
    assert "evaluations submitted, about " in done.stdout
    assert " succeeded" in done.stdout.splitlines()[-1]
    for name in ("near", "mid", "far"):
        own = client.get_model(name).dataset_id
        on_others = [item for item in client.evaluations(model=name) if item.accuracy is not None and item.job_id]
        samples = {sample.id: sample.dataset_id for sample in client.evaluation_samples(kind="validation")}
        assert any(samples.get(item.sample_id) not in (own, None) for item in on_others)
    again = run("calibrate", "--budget", "5m", "--dry-run", "--json").stdout
    assert json.loads(again)["left_out"] == 0
    refused = run("calibrate", "--budget", "5m", "--dry-run", "--wait", code=2)
    assert "--dry-run submits nothing" in refused.stderr
    assert "--budget must be a whole number" in run("calibrate", "--budget", "soon", code=2).stderr
    shown = run("evaluations", "predictor").stdout
    assert "cross-evaluations" in shown
    assert run("evaluations", "refit").exit_code == 0


def test_noise_on_the_weights_travels_with_the_outputs(client: Client, zoo: Path) -> None:
    sample = client.put_evaluation_sample(make_table(0.3, 30, labels=False))
    (job,) = client.evaluate("far", sample, with_noise=True).jobs
    assert ended(client, job).state is JobState.SUCCEEDED
    assert client.evaluate("far", sample, with_noise=True).jobs == ()


def test_the_command_line_lists_what_is_known(server: str, client: Client, zoo: Path) -> None:
    environment = {"MSEARCH_SERVER": server, "COLUMNS": "160", "MSEARCH_CONFIG": None, "MSEARCH_DEBUG": None}
    client.validate("near", make_table(0.2, 70), labels="label", by="agent")
    listed = CliRunner().invoke(app, ["evaluations", "list", "--model", "near"], env=environment)
    assert listed.exit_code == 0, listed.stderr
    assert "agent" in listed.stdout
    shown = CliRunner().invoke(app, ["models", "show", "near"], env=environment)
    assert "measured by an agent" in shown.stdout


def test_a_real_model_of_the_zoo_gives_what_it_gives_here(client: Client, zoo: Path) -> None:
    from examples.zoo.locations import zoo_folder
    from msearch_card import load_card

    digits = zoo_folder() / "images"
    if not digits.is_dir():
        pytest.skip("the example zoo is not built: python -m examples.zoo build")
    card = load_card(digits / "cards" / "digits-mnist.yaml")
    artifact = digits / "models" / "digits-mnist.onnx"
    source = client.new_dataset("digits", digits / "sources" / "digits-mnist.parquet", labels="label", limit_rows=200)
    client.register_model(card, artifact=artifact, dataset=source)
    validation = digits / "validation" / "digits-mnist.parquet"
    measured = client.validate("digits-mnist", validation, labels="label", by="agent")
    claimed = next(metric.value for metric in card.metrics if metric.name == "accuracy")
    assert measured.accuracy == pytest.approx(claimed, abs=1e-6)
    assert measured.row_count == pq.read_table(validation).num_rows


def test_agents_run_what_a_few_labels_tell_apart(server: str, client: Client, zoo: Path) -> None:
    session = client.start_labelling(zoo / "target.parquet", k=4, local=False)
    verdict = session.verdict()
    assert {item.model: item.code for item in verdict.failed} == {"nan@1": "wrong_output"}
    here = client.start_labelling(zoo / "target.parquet", k=4, artifacts=zoo / "artifacts").verdict()
    for own, agents in zip(here.standings, verdict.standings, strict=True):
        assert own.model == agents.model
        assert own.accuracy == pytest.approx(agents.accuracy, abs=1e-3)
    (sample,) = [item for item in client.evaluation_samples(kind="target") if item.row_count == 150]
    own_outputs = run_model(parse_card(make_card("near")), zoo / "near.onnx", pq.read_table(zoo / "target.parquet"))
    stored = client.download_outputs("near", sample)
    assert stored.classes == own_outputs.classes
    np.testing.assert_allclose(stored.probabilities, own_outputs.probabilities, atol=1e-5)

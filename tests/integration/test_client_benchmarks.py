"""Benchmarks through the SDK and the CLI against the real service, with an agent that reports made-up profiles."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from msearch.v1 import profiles_pb2 as profiles
from msearch_client import (
    CellState,
    Client,
    Experiment,
    ExperimentState,
    InvalidArgumentError,
    LocalError,
    NotFoundError,
    PreconditionFailedError,
)
from tests.fake_agent import FakeAgent, a_profile
from tests.integration.test_client_profiling_service import run, working_agent
from tests.service_process import running_service

GRID: dict[str, Any] = {
    "name": "grid",
    "software": {"backend": "null", "mode": ["constant:1ms", "constant:2ms"]},
    "loads": ["single_stream", "server:100"],
}
EXAMPLE = Path(__file__).parents[2] / "examples" / "bench.yaml"


def complete(agent: FakeAgent, job: Any) -> None:
    spec = job.job.spec
    agent.complete(
        job.lease, *(a_profile(variant=variant, load=load) for variant in spec.variants for load in spec.loads)
    )


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    with running_service(tmp_path) as address:
        yield address


@pytest.fixture
def client(server: str) -> Iterator[Client]:
    with Client(server) as opened:
        yield opened


def written(folder: Path, values: object) -> Path:
    path = folder / "bench.json"
    path.write_text(values if isinstance(values, str) else json.dumps(values), encoding="utf-8")
    return path


def test_the_sdk_runs_a_file_and_waits_for_it(server: str, client: Client, tmp_path: Path) -> None:
    with working_agent(server, complete):
        planned = client.plan_benchmark(GRID)
        assert (planned.plan.cell_count, planned.plan.new_count, planned.experiment.id) == (4, 4, "")
        assert client.list_experiments().total == 0

        done = client.submit_benchmark(written(tmp_path, GRID))
        seen: list[Experiment] = []
        ended = client.wait_for_experiment(done.experiment, progress=seen.append)
        assert seen[-1] == ended
        assert (ended.state, ended.cells.measured, ended.name) == (ExperimentState.FINISHED, 4, "grid")
        assert ended.ended_at is not None

        cells = client.list_cells(ended, page_size=3)
        assert [cell.position for cell in cells] == [0, 1, 2, 3]
        assert {cell.profile.value("p99_ms") for cell in cells if cell.profile} == {3.5}
        assert client.list_cells(ended, state="failed").total == 0
        assert client.get_experiment(ended.digest).id == ended.id == client.list_experiments()[0].id

        again = client.submit_benchmark(GRID)
        assert (again.experiment.id, again.plan.reused_count, again.plan.new_count) == (ended.id, 4, 0)
        assert again.experiment.ended
        assert client.cancel_experiment(ended).state is ExperimentState.FINISHED, "harmless once it has ended"


def test_what_fails_is_told(server: str, client: Client) -> None:
    with working_agent(server, lambda agent, job: agent.fail(job.lease, "compile_failed")):
        ended = client.wait_for_experiment(client.submit_benchmark(GRID).experiment)
        assert ended.cells.failed == 4
        (failure,) = {cell.failure for cell in client.list_cells(ended, state=CellState.FAILED)}
        assert failure is not None
        assert failure.code == "compile_failed"


@pytest.mark.parametrize(
    ("values", "error", "words"),
    [
        ({"modles": "a"}, LocalError, "did you mean 'models'?"),
        ({"models": "unknown"}, NotFoundError, "unknown"),
        ({"software": {"backend": "null"}, "loads": "server"}, InvalidArgumentError, "takes a number"),
        (GRID | {"hardware": {"host_class": "gpu"}}, PreconditionFailedError, "host gpu"),
    ],
)
def test_a_refusal(server: str, client: Client, values: Any, error: type[Exception], words: str) -> None:
    with working_agent(server, complete), pytest.raises(error, match=words):
        client.submit_benchmark(values)


def test_the_commands(server: str, tmp_path: Path) -> None:
    with working_agent(server, complete):
        planned = run(server, "benchmark", "run", EXAMPLE, "--dry-run")
        assert planned.count("measure\n") == 8
        assert "2 canonical models would be made: generated/mlp-2x128@1, generated/mlp-8x128@1" in planned
        assert "8 profiles: 8 to measure in 4 jobs, about" in planned

        shown = run(server, "benchmark", "run", EXAMPLE, "--wait")
        assert "8 measured of 8" in shown
        (line,) = [line for line in shown.splitlines() if line.startswith("experiment")]
        experiment_id = line.split()[1]
        assert shown.count("3.50") == 8

        again = run(server, "benchmark", "run", EXAMPLE)
        assert "8 profiles: 8 measured already" in again
        assert f"benchmark show {experiment_id}" in again
        assert run(server, "benchmark", "run", EXAMPLE, "--dry-run").count("keep\n") == 8
        listed = run(server, "benchmark", "list")
        assert experiment_id in listed
        assert "1 experiment" in listed
        found = json.loads(run(server, "benchmark", "show", experiment_id, "--state", "measured", "--json"))
        assert (found["state"], len(found["cells_shown"])) == ("finished", 8)
        assert json.loads(run(server, "benchmark", "run", EXAMPLE, "--json"))["plan"]["reused_count"] == 8


def test_failures_end_the_command_with_one(server: str, tmp_path: Path) -> None:
    def spoil(agent: FakeAgent, job: Any) -> None:
        if job.job.spec.variants[0].mode == "constant:1ms":
            agent.fail(job.lease, "compile_failed")
            return
        reason = profiles.InvalidReason(rule="disturbed", detail="load 3")
        agent.complete(
            job.lease,
            *(
                a_profile(variant=variant, load=load, verdict=profiles.VERDICT_INVALID, reasons=[reason])
                for variant in job.job.spec.variants
                for load in job.job.spec.loads
            ),
        )

    path = written(tmp_path, GRID)
    with working_agent(server, spoil):
        assert run(server, "benchmark", "run", path, "--wait", code=1) == ""
        experiment_id = json.loads(run(server, "benchmark", "list", "--json"))["experiments"][0]["id"]
        shown = run(server, "benchmark", "show", experiment_id)
        assert "2 invalid, 2 failed of 4 (2 measured again)" in shown
        assert shown.count("invalid, 1 retry") == 2
        assert "failed: null fp32 mode=constant:1ms single_stream: compile_failed: it compile_failed" in shown
        assert "INVALID, 2 profiles: disturbed: other programs were busy on the host" in shown


def test_it_is_cancelled(server: str, tmp_path: Path) -> None:
    path = written(tmp_path, GRID)
    submitted = run(server, "benchmark", "run", path, "--allow-waiting")
    experiment_id = submitted.split()[1]
    assert "no agent is there to do all of it" in submitted
    assert f"msearch-cli benchmark watch {experiment_id}" in submitted
    assert "is cancelled: 4 cancelled of 4" in run(server, "benchmark", "cancel", experiment_id)
    watched = run(server, "benchmark", "watch", experiment_id)
    assert "cancelled" in watched


def test_it_is_deleted(server: str, client: Client, tmp_path: Path) -> None:
    path = written(tmp_path, GRID)
    with working_agent(server, complete):
        run(server, "benchmark", "run", path, "--wait")
        experiment_id = client.list_experiments()[0].id
        assert run(server, "benchmark", "delete", experiment_id) == f"deleted {experiment_id}\n"
        assert "there is no experiment" in run(server, "benchmark", "delete", experiment_id, code=1)
        again = client.submit_benchmark(path)
        assert again.plan.reused_count == 4, "what it measured stayed"
        assert client.delete_experiment(again.experiment, with_profiles=True) == 0, "its jobs gave none"
    fresh = run(server, "benchmark", "run", path, "--fresh", "--allow-waiting").split()[1]
    assert "cancel it first" in run(server, "benchmark", "delete", fresh, code=1)
    run(server, "benchmark", "cancel", fresh)
    answer = json.loads(run(server, "benchmark", "delete", fresh, "--profiles", "--json"))
    assert answer == {"experiment": fresh, "deleted_profiles": 0}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("models: [a", ("bench.json: the benchmark file is not valid YAML", "line 1")),
        ("modles: a", ("did you mean 'models'?", "hint: docs/benchmarks.md describes every field")),
        ("generate: {family: mlp, layers: 250, width: 60000}", ("parameters", "fewer layers")),
        (json.dumps({"software": {"backend": "null", "threads": list(range(1, 600))}}), ("599 profiles", "--confirm")),
        (json.dumps(GRID), ("no registered agent could take this job", "msearch-agent")),
    ],
)
def test_a_refusal_is_one_clear_line(server: str, tmp_path: Path, text: str, words: tuple[str, ...]) -> None:
    path = written(tmp_path, text)
    for more in ((), ("--dry-run",)):
        said = run(server, "benchmark", "run", path, *more, code=1)
        assert said.startswith("error: ")
        assert "Traceback" not in said
        for word in words:
            assert word in said


def test_wrong_usage(server: str, tmp_path: Path) -> None:
    path = written(tmp_path, GRID)
    assert "exclude each other" in run(server, "benchmark", "run", path, "--dry-run", "--wait", code=2)
    assert "there is no experiment" in run(server, "benchmark", "show", "exp_x", code=1)
    assert "No such file" in run(server, "benchmark", "run", tmp_path / "missing.yaml", code=1)


def test_a_search_names_the_best_of_what_was_tried(server: str, tmp_path: Path) -> None:
    pytest.importorskip("optuna", reason="the extra search is not installed")
    path = written(tmp_path, {
        "software": {"backend": "null", "batch_size": [1, 2, 4, 8]},
        "search": {"optimise": "p99_ms", "require": "p99_ms<=5", "trials": 2, "per_round": 2},
    })  # fmt: skip
    with working_agent(server, complete):
        assert "4 profiles: at most 2 to measure in 2 jobs" in run(server, "benchmark", "run", path, "--dry-run")
        shown = run(server, "benchmark", "run", path, "--wait")
        assert "2 of 2 trials for the best p99_ms within p99_ms<=5" in shown
        assert "2 measured, 2 open of 4" in shown
        (best,) = [line for line in shown.splitlines() if line.startswith("best")]
        assert best.endswith("single_stream: p99_ms 3.50 ms")
        assert sum(line.startswith(("null", "-")) for line in shown.splitlines()) == 2, "what was tried"

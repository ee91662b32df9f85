"""An experiment's profiles analysed, against the real service, with an agent that reports made-up profiles."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from msearch_client import Client, LocalError, NotFoundError
from tests.integration.test_client_benchmarks import complete
from tests.integration.test_client_profiling_service import run, working_agent

GRID: dict[str, Any] = {
    "name": "grid",
    "software": {"backend": "null", "mode": ["constant:1ms", "constant:2ms"]},
    "loads": ["single_stream", "server:100"],
}
OTHER: dict[str, Any] = {"name": "other", "software": {"backend": "null", "mode": "constant:3ms"}}


@pytest.fixture(scope="module")
def experiment(server: str) -> str:
    with Client(server) as client, working_agent(server, complete):
        found = [client.submit_benchmark(grid).experiment for grid in (GRID, OTHER)]
        for one in found:
            client.wait_for_experiment(one)
        return found[0].id


def test_an_experiment_has_its_own_profiles_only(server: str, experiment: str) -> None:
    with Client(server) as client:
        assert len(client.fetch_profiles()) == 5
        found = client.analyse("leaderboard", experiment=experiment, metric="p50_ms")
        assert len(found) == 4
        assert {row["load"] for row in found.to_dicts()} == {"single_stream", "server:100"}
        assert len(client.analyse("leaderboard", experiment=client.get_experiment(experiment), load="server:100")) == 2
        jobs = [job.id for job in client.list_jobs(experiment_id=experiment)]
        assert len(client.fetch_profiles(jobs=jobs)) == 4


def test_its_report_is_a_page(server: str, experiment: str, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    said = json.loads(run(server, "report", "--experiment", experiment, "--out", str(path), "--json"))
    assert said["profiles"] == 4
    page = " ".join(path.read_text(encoding="utf-8").split())
    assert "4 profiles" in page
    assert "<h1>grid</h1>" in page


def test_what_is_wrong_is_said(server: str, experiment: str) -> None:
    with Client(server) as client:
        with pytest.raises(NotFoundError):
            client.analyse("leaderboard", experiment="exp_nothing")
        with pytest.raises(LocalError, match="exclude each other"):
            client.analyse("leaderboard", experiment=experiment, jobs="job-1")
    failed = run(server, "analyse", "leaderboard", "--experiment", experiment, "--job", "x", code=2)
    assert "exclude each other" in failed

"""The command `simulate`: what it prints, and what it refuses."""

from __future__ import annotations

import json

import pytest
import typer

from msearch_client.cli.program import Program
from msearch_client.cli.simulate import simulate


@pytest.fixture(autouse=True)
def _no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a pipe gets; pytest-xdist tells its workers a width, in which tables fold."""
    monkeypatch.delenv("COLUMNS", raising=False)


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    app = typer.Typer(cls=Program)
    app.callback()(lambda: None)
    app.command("simulate")(simulate)
    with pytest.raises(SystemExit) as ended:
        app(["simulate", *words], prog_name="msearch-cli")
    printed = capsys.readouterr()
    return int(ended.value.code or 0), printed.out, printed.err


def test_a_table_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "--seeds", "3", "--jobs", "30", "--speed", "0.5", "--speed", "2")
    assert code == 0
    assert "30 jobs of exponential size, load 0.8, 2 agents, 3 seeds, estimates exact" in out
    assert "speed-weighted round robin + first come first served" in out
    for word in ("p5", "p50", "p95", "worst slowdown", "maximum completion time"):
        assert word in out
    assert "0 of 90 jobs waited more than 3 times as long" in out


def test_json_has_every_seed(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(
        capsys, "--json", "--seeds", "2", "--first-seed", "5", "--load", "at-once", "--estimate-error", "1"
    )
    found = json.loads(out)
    assert code == 0
    assert [seed["seed"] for seed in found["seeds"]] == [5, 6]
    assert found["scenario"]["load"] is None
    assert found["scenario"]["sigma"] == 1
    assert {"mean", "p5", "p50", "p95"} == found["ratio"].keys()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--load", "much"), '--load much: give a share as in 0.8, or "at-once"'),
        (("--load", "0"), "a load of 0; it must be above 0"),
        (("--load", "nan"), "a load of nan"),
        (("--speed", "0"), "speeds 0: each must be above 0"),
        (("--speed", "nan"), "speeds nan: each must be above 0"),
        (("--agents", "2", "--speed", "2"), "exclude each other"),
        (("--jobs", "6000"), "less than or equal to 5000"),
    ],
)
def test_what_cannot_be_simulated_is_wrong_usage(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...], message: str
) -> None:
    code, out, err = run(capsys, *words)
    assert code == 2
    assert message in err
    assert out == ""

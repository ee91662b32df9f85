"""Each way of asking with `query` takes some options and refuses the others, before anything is read."""

from __future__ import annotations

import pytest
import typer
from typer.testing import CliRunner

from msearch_client.cli import app
from msearch_client.cli.ways import TAKEN


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--drift", "base.csv", "--tag", "x"], "--drift and --tag do not go together"),
        (["--drift-from", "mnist", "--top", "3"], "--drift-from and --top do not go together"),
        (["--drift", "base.csv", "--ensemble", "2"], "--drift and --ensemble do not go together"),
        (["--ensemble", "2", "--explain"], "--ensemble and --explain do not go together"),
        (["--ensemble", "2", "--no-predict"], "--ensemble and --predict do not go together"),
        (["--labels-budget", "2", "--require", "p99_ms<=1"], "--labels-budget and --require do not go together"),
        (["--rerank", "2", "--profile-missing"], "--rerank and --profile-missing do not go together"),
        (["--rerank", "2", "--confidence", "0.9"], "--rerank and --confidence do not go together"),
    ],
)
def test_what_a_way_does_not_take_is_wrong_usage(words: list[str], said: str) -> None:
    result = CliRunner().invoke(app, ["query", "--data", "missing.csv", *words], env={"MSEARCH_SERVER": "127.0.0.1:1"})
    assert (result.exit_code, said in result.stderr) == (2, True), result.stderr


def test_the_ways_name_options_that_exist() -> None:
    root = typer.main.get_command(app)
    names = {parameter.name for parameter in root.commands["query"].params}  # type: ignore[attr-defined]
    assert set().union(*TAKEN.values()) <= names
    assert all(way in taken for way, taken in TAKEN.items())

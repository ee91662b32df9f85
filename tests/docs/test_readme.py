"""The README's quickstart works as it stands: its commands and its Python block against a real service."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

from tests.docs.blocks import command_lines, fenced
from tests.service_process import running_service
from tests.small_zoo import make_card, make_table, write_net


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_service(tmp_path_factory.mktemp("service")) as address:
        yield address


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that the README names."""
    folder = tmp_path_factory.mktemp("newcomer")
    (folder / "card.yaml").write_text(yaml.safe_dump(make_card("cats-and-dogs")), encoding="utf-8")
    write_net(folder / "model.onnx")
    pq.write_table(make_table(0.0), folder / "train.parquet")
    pq.write_table(make_table(0.0, 150, labels=False), folder / "sample.parquet")
    return folder


def run(folder: Path, server: str, *command: str) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MSEARCH_")}
    done = subprocess.run(
        command, cwd=folder, env=environment | {"MSEARCH_SERVER": server},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{shlex.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_the_quickstart(folder: Path, server: str) -> None:
    # Before and after it stand examples that need more than is there: measured models, an agent, a person who labels.
    lines = command_lines("README.md", "msearch-cli")
    begin = lines.index("msearch-cli serve") + 1  # `server` is that
    lines = lines[begin : begin + 2]
    assert [shlex.split(line)[1] for line in lines] == ["register", "query"]
    program = [sys.executable, "-c", "from msearch_client.cli import main; main()"]
    shown = [run(folder, server, *program, *shlex.split(line)[1:]) for line in lines]
    assert "cats-and-dogs@1" in shown[0]
    assert shown[1].startswith("1 candidate for 150 rows")
    (block,) = fenced("README.md", "python")
    printed = run(folder, server, sys.executable, "-c", block.replace("localhost:50051", server)).splitlines()
    assert printed[0].startswith("Ranking of 1 for 150 rows")
    name, value = printed[-1].split()
    assert name == "cats-and-dogs"
    assert 0 < float(value) <= 1

"""docs/other-languages.md: its Python block, and the Node.js client, against a real service."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from msearch_client import Client
from tests.docs.blocks import ROOT, fenced
from tests.service_process import running_service
from tests.small_zoo import make_card

TEXTS = [f"a film about {topic} number {number}" for number in range(30) for topic in ("love", "war")]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_service(tmp_path_factory.mktemp("service")) as address:
        with Client(address) as client:
            dataset = client.register_dataset("films", data=pa.table({"text": TEXTS}))
            card = make_card("critic", modality="text", artifact={"format": "none"})
            client.register_model({k: v for k, v in card.items() if k not in ("input", "output")}, dataset=dataset)
        yield address


def test_the_python_block(server: str) -> None:
    (block,) = fenced("docs/other-languages.md", "python")
    words = [sys.executable, "-c", block.replace("localhost:50051", server)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout) == (0, "critic 1\n"), done.stderr


@pytest.mark.slow
def test_the_node_client(server: str, tmp_path: Path) -> None:
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed")
    folder = tmp_path / "examples" / "node"
    shutil.copytree(ROOT / "examples" / "node", folder, ignore=shutil.ignore_patterns("node_modules"))
    (tmp_path / "protos").symlink_to(ROOT / "protos")
    installed = subprocess.run(
        ["npm", "install", "--no-audit", "--no-fund"], cwd=folder, capture_output=True, text=True, check=False
    )
    if installed.returncode != 0:
        pytest.skip(f"npm install failed here: {installed.stderr.splitlines()[0]}")
    (tmp_path / "reviews.txt").write_text("\n".join(TEXTS), encoding="utf-8")

    def ask(address: str) -> subprocess.CompletedProcess[str]:
        words = ["node", "query.mjs", address, str(tmp_path / "reviews.txt")]
        return subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=120, check=False)

    answered = ask(server)
    assert answered.returncode == 0, answered.stderr
    assert answered.stdout.splitlines()[0] == "60 rows against 1 models"
    assert answered.stdout.splitlines()[1].startswith("1. critic@1  adaptivity=1.000")
    refused = ask("127.0.0.1:1")
    assert (refused.returncode, refused.stderr.startswith("error: ")) == (1, True)

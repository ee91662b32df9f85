"""Counting what a graph takes in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from msearch_running.counting import count_apart, count_each_apart
from msearch_running.errors import Crashed, DeadlineExceeded, LoadFailed, RuntimeMissing
from profiler_agent.onnx_files import count
from tests.compiled_models import cnn_onnx


@pytest.fixture
def network(tmp_path: Path) -> Path:
    path = tmp_path / "model.onnx"
    path.write_bytes(cnn_onnx())
    return path


def test_it_counts_what_an_agent_counts(network: Path) -> None:
    assert count_apart(network) == count(network)


def test_several_files_are_counted_in_one_process(network: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no model")
    first, problem, last = count_each_apart([network, broken, network])
    assert first == last == count(network)
    assert isinstance(problem, LoadFailed)
    assert [type(one) for one in count_each_apart([network, broken], deadline_s=0.001)] == [DeadlineExceeded] * 2


@pytest.mark.parametrize("content", [b"", b"no model", b"\x00" * 100])
def test_what_is_no_model_is_told(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(LoadFailed, match=r"no (readable )?ONNX model"):
        count_apart(path)
    with pytest.raises(LoadFailed, match="No such file"):
        count_apart(tmp_path / "missing.onnx")


def test_a_file_that_takes_too_long_or_the_process_down_takes_nothing_else_with_it(
    network: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DeadlineExceeded, match=r"model\.onnx takes lasted longer than 0\.001 s"):
        count_apart(network, deadline_s=0.001)
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(Crashed, match="ended with code 1"):
        count_apart(network)


def test_without_onnx_it_says_how_to_install_it(network: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(RuntimeMissing, match="pip install"):
        count_apart(network)


def test_the_module_is_a_program(network: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "msearch_running.counting", str(network)], capture_output=True, text=True, check=True
    )
    assert '"flops"' in done.stdout

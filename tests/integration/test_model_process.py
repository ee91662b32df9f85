"""Models in a process of their own: same outputs, and a crash, a hang or a broken model costs that model alone."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from msearch_card import Card, parse_card
from msearch_running import run_model
from msearch_running.errors import Crashed, DeadlineExceeded, LoadFailed, RunError, WrongOutput, error_of
from msearch_running.outputs import common_rows
from msearch_running.process import ModelProcess
from tests.small_zoo import make_card, make_table, write_net

ROWS = make_table(0.0, 300)


def card(**fields: Any) -> Card:
    return parse_card(make_card("net", **fields))


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    write_net(tmp_path / "net.onnx", bias=0.5)
    return tmp_path / "net.onnx"


def test_the_outputs_are_those_of_this_process(artifact: Path) -> None:
    shares: list[float] = []
    with ModelProcess(ROWS, threads=1) as process:
        found = process.run(card(), artifact, with_noise=True, on_progress=shares.append)
        again = process.run(card(), artifact)
    own = run_model(card(), artifact, ROWS, with_noise=True)
    assert np.array_equal(found.probabilities, own.probabilities)
    assert np.array_equal(found.noisy_votes, own.noisy_votes)
    assert again.noisy_votes is None
    assert shares == sorted(shares)
    assert shares[-1] == 1


def test_a_broken_model_costs_that_model_alone(artifact: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.onnx").write_bytes(b"no model")
    write_net(tmp_path / "nan.onnx", bias=float("nan"))
    with ModelProcess(ROWS, threads=1) as process:
        with pytest.raises(LoadFailed, match="no readable ONNX model"):
            process.run(card(), tmp_path / "broken.onnx")
        with pytest.raises(WrongOutput, match="NaN or infinity"):
            process.run(card(), tmp_path / "nan.onnx")
        assert len(process.run(card(), artifact).probabilities) == 300


def kill(process: ModelProcess, number: int) -> None:
    assert process._process is not None
    os.kill(process._process.pid, number)


def test_a_crash_costs_the_model_that_ran(artifact: Path) -> None:
    with ModelProcess(ROWS, threads=1) as process:
        process.run(card(), artifact)
        process._process.send_signal(signal.SIGSTOP)
        killer = threading.Timer(0.5, kill, (process, signal.SIGKILL))
        killer.start()
        with pytest.raises(Crashed, match="the process that ran net@1 ended with code -9"):
            process.run(card(), artifact)
        killer.join()
        assert len(process.run(card(), artifact).probabilities) == 300


def test_a_model_that_hangs_is_ended_at_its_deadline(artifact: Path) -> None:
    with ModelProcess(ROWS, threads=1, deadline_s=120) as process:
        process.run(card(), artifact)
        kill(process, signal.SIGSTOP)
        process._deadline_s = 0.3
        with pytest.raises(DeadlineExceeded, match=r"longer than 0\.3 s"):
            process.run(card(), artifact)
        process._deadline_s = 120
        assert len(process.run(card(), artifact).probabilities) == 300


def test_nothing_is_left_behind(artifact: Path) -> None:
    with ModelProcess(ROWS, threads=1) as process:
        process.run(card(), artifact)
        folder, child = Path(process._folder.name), process._process.pid
        assert f"TMPDIR={folder}" in Path(f"/proc/{child}/environ").read_text(encoding="utf-8").split("\0")
    assert not folder.exists()
    deadline = time.monotonic() + 10
    while Path(f"/proc/{child}").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_file_of_the_working_folder_stands_in_for_no_library(
    artifact: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "numpy.py").write_text("raise SystemExit('mine')")
    monkeypatch.chdir(tmp_path)
    with ModelProcess(ROWS, threads=1) as process:
        assert len(process.run(card(), artifact).probabilities) == 300


def test_errors_keep_their_kind_over_the_pipe() -> None:
    kinds = [RunError]
    for kind in kinds:
        kinds.extend(kind.__subclasses__())
    for kind in kinds:
        assert type(error_of(kind.code, "why")) is kind
    assert type(error_of("unheard", "why")) is RunError


def test_a_single_column_is_taken_whatever_it_is_called(artifact: Path) -> None:
    spec = {"kind": "embedding", "column": "vector", "length": 3}
    described = card(input=spec, modality="embedding")
    values = np.random.default_rng(3).normal(size=(20, 3))
    rows = [pa.table({name: values.tolist()}) for name in ("vector", "points")]
    found = [run_model(described, artifact, table).probabilities for table in rows]
    assert np.array_equal(*found)
    with pytest.raises(RunError, match="there is no column 'vector'"):
        run_model(described, artifact, pa.table({"a": values.tolist(), "b": values.tolist()}))


def test_common_rows_are_those_that_all_took(artifact: Path) -> None:
    columns = [{"name": name} for name in ("height", "weight", "age")]
    strict = card(input={"kind": "tabular", "columns": columns})
    rows = pa.table({"height": [1.0, None, 2.0], "weight": [0.0, 0.0, 0.0], "age": [1.0, 1.0, 1.0]})
    several = [run_model(one, artifact, rows) for one in (card(), strict)]
    assert common_rows(several).tolist() == [True, False, True]

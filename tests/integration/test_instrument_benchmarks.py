"""The benchmarks of the load generator run; their figures are not judged here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.peers.mlperf_loadgen_server import due_times, run_server

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
@pytest.mark.timeout(700)  # on a busy machine LoadGen takes its time to reach its least number of queries
@pytest.mark.parametrize(
    ("benchmark", "bar"),
    [("dispatch", "dispatch_p99_10000_over_loadgen"), ("agreement", "agreement_1ms_50_p50_at_most")],
)
def test_a_quick_benchmark_prints_bars_and_writes_its_result(benchmark: str, bar: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", f"benchmarks.bench_{benchmark}", "--quick"]
    environment = os.environ | {"MSEARCH_BENCHMARK_RESULTS": str(tmp_path), "OMP_NUM_THREADS": "1"}
    run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=660, check=False)
    assert run.returncode in {0, 1}, run.stderr
    bars = [line.split() for line in run.stdout.splitlines() if line.startswith("bar ")]
    assert bar in [line[1] for line in bars]
    assert run.returncode == int(any(line[4] == "short" for line in bars))
    assert json.loads((tmp_path / f"{benchmark}_quick.json").read_text(encoding="utf-8"))["figures"]


def test_loadgen_has_its_queries_due_when_we_say() -> None:
    """What its dispatch delay is measured against; its own trace is the witness."""
    run = run_server(lambda _: None, 500.0, 0.3, inline=True, seed=11)
    assert np.array_equal(run.due_ns, due_times(run.due_ns.size, 500.0, 11))

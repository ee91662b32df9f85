"""The index benchmark runs; its figures are not judged here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_the_quick_benchmark_prints_bars_and_writes_its_result(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", "-m", "benchmarks.bench_search_index", "--quick"]
    environment = os.environ | {"MSEARCH_BENCHMARK_RESULTS": str(tmp_path)}
    run = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=280, check=False
    )
    assert run.returncode in {0, 1}, run.stderr
    bars = [line.split() for line in run.stdout.splitlines() if line.startswith("bar ")]
    assert "coverage_p99_ms" in [bar[1] for bar in bars]
    assert all(bar[4] in {"ok", "short"} for bar in bars)
    assert run.returncode == int(any(bar[4] == "short" for bar in bars))
    (path,) = tmp_path.rglob("search_index_quick.json")
    figures = json.loads(path.read_text(encoding="utf-8"))["figures"]
    assert figures["row coverage, brute force"]["spearman"] == pytest.approx(1)
    assert figures["adaptivity, this index"]["spearman"] > 0.5

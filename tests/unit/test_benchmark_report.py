"""The bars, percentiles and result files of the benchmarks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.report import Bar, Report, Timing, fingerprint, print_table, repeat


@pytest.mark.parametrize(
    ("bar", "line"),
    [
        (Bar("latency_ms", 12.3456, 25), "bar latency_ms 12.35 25 ok"),
        (Bar("latency_ms", 25, 25), "bar latency_ms 25 25 ok"),
        (Bar("latency_ms", 25.1, 25), "bar latency_ms 25.1 25 short"),
        (Bar("calls", 10, 25, more_is_better=True), "bar calls 10 25 short"),
        (Bar("calls", 26, 25, more_is_better=True), "bar calls 26 25 ok"),
        (Bar("latency_ms", float("nan"), 25), "bar latency_ms nan 25 short"),
        (Bar("calls", float("nan"), 25, more_is_better=True), "bar calls nan 25 short"),
    ],
)
def test_a_bar_is_one_line(bar: Bar, line: str) -> None:
    assert str(bar) == line


def test_percentiles_are_by_nearest_rank() -> None:
    timing = Timing(tuple(float(i) for i in range(100, 0, -1)))
    assert [timing.percentile(p) for p in (1, 50, 99, 99.5, 100)] == [1, 50, 99, 100, 100]
    assert timing.median == 50.5
    assert Timing((3.0,)).percentile(99) == 3.0


def test_warm_ups_do_not_count() -> None:
    calls: list[int] = []
    timing = repeat(lambda: calls.append(1), 3, warm_ups=2)
    assert (len(calls), len(timing.seconds)) == (5, 3)


@pytest.mark.parametrize(("value", "status"), [(1.0, 0), (3.0, 1)])
def test_the_result_file_holds_figures_bars_and_machine(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], value: float, status: int
) -> None:
    report = Report("example", quick=True)
    report.figure("rows", [1, 2])
    report.bar("first", value, limit=2)
    report.bar("second", 5, limit=5, more_is_better=True)
    assert report.finish(tmp_path) == status
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2:] == [str(bar) for bar in report.bars]
    result = json.loads((tmp_path / "example_quick.json").read_text(encoding="utf-8"))
    assert result["figures"] == {"rows": [1, 2]}
    assert [bar["ok"] for bar in result["bars"]] == [status == 0, True]
    assert result["machine"].keys() == fingerprint().keys() >= {"cpu", "cpus", "memory_kb", "python", "libraries"}


def test_a_table_is_aligned(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("name", "ms"), [("a", "10.5"), ("longer", "7")])
    assert capsys.readouterr().out == "name      ms\n------  ----\na       10.5\nlonger     7\n"

"""What every analysis promises."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.made_up_profiles import MODELS, a_study, make_profile
from msearch_analysis.analyses import Analysis, Findings, Options, find_analyses
from msearch_analysis.charts import Axis, Bars, Chart, HeatMap, Plot, Ranges, Stacks
from msearch_analysis.page.alternatives import alternative_of
from msearch_analysis.rows import Study
from msearch_client import Profile
from msearch_client._analyses import make_study

ANALYSES = find_analyses()
PURE_NUMBERS = {"threads", "layers", "clients", "profiles"}
"""Titles of axes that count things, and have no unit."""


@pytest.fixture(scope="module")
def profiles() -> list[Profile]:
    return a_study()


@pytest.fixture(scope="module")
def study(profiles: list[Profile]) -> Study:
    return make_study(profiles)


@pytest.fixture(params=sorted(ANALYSES))
def analysis(request: pytest.FixtureRequest) -> Analysis:
    return ANALYSES[request.param]


@pytest.fixture
def findings(analysis: Analysis, study: Study) -> Findings:
    return analysis.function(study, Options())


def axes_of(chart: Chart) -> Iterator[Axis]:
    match chart:
        case Bars() | Stacks() | Ranges():
            yield chart.axis
        case Plot():
            yield from (chart.x, chart.y)
        case HeatMap():
            yield from (chart.x, chart.y, chart.value)


def numbers_of(chart: Chart) -> Iterator[float]:
    match chart:
        case Bars():
            yield from (bar.value for bar in chart.bars)
        case Stacks():
            yield from (value for stack in chart.stacks for value in stack.values)
        case Ranges():
            yield from (one.value for one in chart.ranges)
        case Plot():
            yield from (number for series in chart.series for point in series.points for number in (point.x, point.y))
        case HeatMap():
            yield from (cell.value for line in chart.cells for cell in line if cell is not None)


def test_the_analyses_of_the_design_are_there() -> None:
    assert list(ANALYSES) == [
        "best", "leaderboard", "latency", "load-curves", "heat-maps", "variants", "roofline", "cold-start", "stages",
        "energy", "pareto", "hosts", "verdicts",
    ]  # fmt: skip


def test_an_analysis_explains_itself(analysis: Analysis) -> None:
    assert analysis.title
    assert analysis.summary.rstrip(".") == analysis.summary
    assert analysis.reading.endswith(".")


def test_it_finds_something_in_a_full_study(analysis: Analysis, findings: Findings) -> None:
    assert findings.table.rows
    assert findings.charts or analysis.name == "best"


def test_every_axis_says_what_it_shows_in_which_unit(findings: Findings) -> None:
    for chart in findings.charts:
        assert chart.title
        for axis in axes_of(chart):
            assert axis.title
            assert axis.unit or axis.title in PURE_NUMBERS, axis


def test_what_is_drawn_is_finite_and_fits_its_axis(findings: Findings) -> None:
    for chart in findings.charts:
        numbers = list(numbers_of(chart))
        assert numbers
        assert all(math.isfinite(number) for number in numbers)
        if isinstance(chart, Plot):
            for axis, values in (
                (chart.x, [point.x for series in chart.series for point in series.points]),
                (chart.y, [point.y for series in chart.series for point in series.points]),
            ):
                assert not axis.log or min(values) > 0
        assert len(alternative_of(chart)) > 20


def test_its_table_has_each_cell_under_a_column_once(findings: Findings) -> None:
    names = [column.name for column in findings.table.columns]
    assert len(names) == len(set(names))
    known = {"verdict", "reasons", "profile", *names}
    for row in findings.table.rows:
        assert set(row) <= known | {"load", "host_class"}


def test_its_table_becomes_files(findings: Findings, tmp_path: Path) -> None:
    import pyarrow.csv
    import pyarrow.parquet

    findings.table.write_csv(tmp_path / "t.csv")
    findings.table.write_parquet(tmp_path / "t.parquet")
    for read in (pyarrow.csv.read_csv(tmp_path / "t.csv"), pyarrow.parquet.read_table(tmp_path / "t.parquet")):
        assert read.column_names == [column.name for column in findings.table.columns]
        assert read.num_rows == len(findings.table.rows)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["t.csv", "t.parquet"]


def test_nothing_is_no_error(analysis: Analysis) -> None:
    found = analysis.function(make_study([]), Options())
    assert not found.charts
    assert not found.table.rows


def test_a_profile_without_histogram_runs_and_fingerprint_is_no_error(
    analysis: Analysis, profiles: list[Profile]
) -> None:
    bare = [replace(profile, histogram="", runs=(), host_json="", versions={}, created_at=None) for profile in profiles]
    analysis.function(make_study(bare), Options())


def test_a_profile_that_measured_nothing_is_no_error(analysis: Analysis, profiles: list[Profile]) -> None:
    analysis.function(make_study([replace(profile, measurements=()) for profile in profiles[:4]]), Options())


def test_invalid_profiles_are_never_drawn_as_valid(analysis: Analysis) -> None:
    """With nothing but INVALID profiles, no bar is filled, no line joins points, no cell is coloured."""
    broken = [make_profile(model, "onnxruntime fp32", f"server:{rate}", broken=("disturbed",))
              for rate in (100, 200) for model in MODELS]  # fmt: skip
    found = analysis.function(make_study(broken), Options())
    assert found.charts or found.table.rows or found.notes, "nothing is shown, and nobody says why"
    for chart in found.charts:
        match chart:
            case Bars() if chart.axis.title != "profiles":
                assert not any(bar.valid for bar in chart.bars)
            case Stacks() if analysis.name != "cold-start":
                assert not any(stack.valid for stack in chart.stacks)
            case Plot():
                assert not any(point.valid for series in chart.series for point in series.points)
            case HeatMap():
                assert not any(cell.valid for line in chart.cells for cell in line if cell is not None)
            case Ranges():
                pytest.fail("ranges are of valid runs only")


def test_an_invalid_profile_changes_no_valid_figure(analysis: Analysis, profiles: list[Profile]) -> None:
    """What an INVALID repeat of the same thing says is of no consequence."""
    if analysis.name in ("verdicts", "roofline"):
        pytest.skip("it counts verdicts" if analysis.name == "verdicts" else "peaks come from every fingerprint")
    worse = [make_profile(MODELS[1], "onnxruntime fp32", "server:200", broken=("unsteady",), seed=9)]
    assert analysis.function(make_study(profiles), Options()).table == (
        analysis.function(make_study([*profiles, *worse]), Options()).table
    )

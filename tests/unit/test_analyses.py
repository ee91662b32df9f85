"""Analyses against answers that are known or computed in another way."""

from __future__ import annotations

import csv
import math
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.made_up_profiles import HOSTS, MODELS, make_profile, pipeline_profiles
from msearch_analysis import analyses, distributions, drawing
from msearch_analysis.analyses import Analysis, Options, find_analyses, find_analysis, roofline, verdicts
from msearch_analysis.analyses.pareto import front
from msearch_analysis.charts import Axis, HeatMap, Plot, Stacks
from msearch_analysis.errors import AnalysisError
from msearch_analysis.rows import Bucket, Study
from msearch_analysis.tables import Column, Table
from msearch_client import Measurement, Profile
from msearch_client._analyses import make_study
from msearch_client._comparison import compare_profiles

SMALL, WIDE, TOPICS = MODELS
latencies = st.lists(st.integers(1, 5_000), min_size=1, max_size=300)


def findings(name: str, profiles: list[Profile], **options: str):
    return find_analyses()[name].function(make_study(profiles), Options(**options))


def with_value(profile: Profile, name: str, value: float) -> Profile:
    kept = [item for item in profile.measurements if item.name != name]
    return replace(profile, measurements=(*kept, Measurement(name=name, value=value, unit="", source="made up")))


def buckets(values: list[int]) -> list[Bucket]:
    return [Bucket(value, value, values.count(value)) for value in sorted(set(values))]


def test_an_unknown_analysis_is_refused_with_the_nearest() -> None:
    with pytest.raises(AnalysisError, match="no analysis 'leaderbord'") as caught:
        find_analysis("leaderbord")
    assert caught.value.hint == "did you mean leaderboard?"


class Advertised:
    """An entry point of another distribution."""

    @staticmethod
    def load() -> Analysis:
        return replace(verdicts.ANALYSIS, name="mine", place=1)


def test_another_distribution_may_bring_an_analysis(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(analyses, "entry_points", lambda group: [Advertised()] if group == "msearch.analyses" else [])
    find_analyses.cache_clear()
    try:
        assert list(find_analyses())[:2] == ["best", "mine"]
    finally:
        find_analyses.cache_clear()


@given(latencies, st.floats(0.001, 1.0))
def test_quantiles_are_nearest_ranks(values: list[int], share: float) -> None:
    rank = max(math.ceil(round(share * len(values), 6)), 1)
    assert distributions.quantile(buckets(values), share) == sorted(values)[rank - 1]


@pytest.mark.parametrize(("share", "least"), [(0.5, 11), (0.9, 64), (0.1, 64), (0.95, 130), (0.99, 662), (0.999, 6636)])
def test_a_quantile_is_told_from_as_many_requests_as_mlperf_asks_for(share: float, least: int) -> None:
    assert distributions.may_tell(share, least)
    assert not distributions.may_tell(share, least - 1)
    assert not distributions.may_tell(share, 0)


@given(latencies)
def test_steps_lie_on_the_distribution_and_keep_both_ends(values: list[int]) -> None:
    found = distributions.steps(buckets(values), most=20)
    assert len(found) <= 21
    assert found[0][0] == min(values)
    assert found[-1] == (max(values), 1.0)
    for place, share in found:
        assert share == pytest.approx(sum(value <= place for value in values) / len(values))


def test_the_band_holds_the_whole_distribution_as_often_as_it_says() -> None:
    random, count, held = np.random.default_rng(4), 300, 0
    for _ in range(400):
        drawn = np.sort(random.random(count))
        above = np.max(np.arange(1, count + 1) / count - drawn)
        below = np.max(drawn - np.arange(count) / count)
        held += max(above, below) <= distributions.band(count)
    assert held / 400 >= 0.93


points = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=12)


@given(points, st.booleans(), st.booleans())
def test_the_front_is_what_nothing_beats(drawn: list[tuple[int, int]], less_x: bool, less_y: bool) -> None:
    def beats(one: tuple[int, int], other: tuple[int, int]) -> bool:
        no_worse = (one[0] <= other[0] if less_x else one[0] >= other[0]) and (
            one[1] <= other[1] if less_y else one[1] >= other[1]
        )
        return no_worse and one != other

    expected = {place for place, one in enumerate(drawn) if not any(beats(other, one) for other in drawn)}
    assert set(front(drawn, less_x=less_x, less_y=less_y)) == expected


def test_the_newest_valid_profile_stands_for_its_configuration() -> None:
    old = make_profile(SMALL, "onnxruntime fp32", "single_stream")
    new = replace(with_value(old, "p99_ms", 9.0), id="prf_new", created_at=old.created_at + timedelta(days=1))
    broken = replace(
        make_profile(SMALL, "onnxruntime fp32", "single_stream", broken=("unsteady",)),
        created_at=old.created_at + timedelta(days=2),
    )
    study = make_study([new, broken, old])
    assert [row.id for row in study.current] == ["prf_new"]
    assert study.invalid_only == ()
    (cells,) = findings("leaderboard", [new, broken, old]).table.rows
    assert (cells["rank"], cells["p99_ms"], cells["verdict"]) == (1, 9.0, "VALID")


def test_a_leaderboard_ranks_within_a_load_and_a_host_class() -> None:
    profiles = [
        with_value(make_profile(model, "onnxruntime fp32", load, host), "throughput_per_s", value)
        for model, load, host, value in [
            (SMALL, "single_stream", HOSTS[0], 10.0), (WIDE, "single_stream", HOSTS[0], 30.0),
            (TOPICS, "single_stream", HOSTS[1], 20.0), (SMALL, "offline", HOSTS[0], 5.0),
        ]
    ]  # fmt: skip
    broken = with_value(
        make_profile(TOPICS, "onnxruntime fp32", "single_stream", broken=("disturbed",)), "throughput_per_s", 99.0
    )
    rows = findings("leaderboard", [*profiles, broken], metric="throughput_per_s").table.rows
    ranks = {(row["model"], row["load"], row["host_class"]): row["rank"] for row in rows}
    assert ranks == {
        (SMALL.name, "single_stream", HOSTS[0].name): 2,
        (WIDE.name, "single_stream", HOSTS[0].name): 1,
        (TOPICS.name, "single_stream", HOSTS[0].name): None,
        (TOPICS.name, "single_stream", HOSTS[1].name): 1,
        (SMALL.name, "offline", HOSTS[0].name): 1,
    }


def test_the_best_is_valid_and_offered() -> None:
    def one(form: str, p99_ms: float, **fields: object) -> Profile:
        return with_value(make_profile(SMALL, form, "single_stream", **fields), "p99_ms", p99_ms)

    (row,) = findings(
        "best",
        [one("torch fp32", 0.1, broken=("disturbed",)), one("onnxruntime int8_dynamic", 0.2),
         one("openvino fp32", 0.3), one("onnxruntime fp32", 0.4)],
    ).table.rows  # fmt: skip
    assert row["p99_ms"] == f"{SMALL.name}, openvino fp32: 0.300 ms"


def test_a_quantity_that_does_not_exist_is_refused_with_the_nearest() -> None:
    with pytest.raises(AnalysisError) as caught:
        findings("leaderboard", [], metric="p99_mss")
    assert "p99_ms" in caught.value.hint


def test_hosts_compare_by_the_rule_of_compare() -> None:
    pair = [make_profile(WIDE, "openvino fp32", "single_stream", host) for host in HOSTS]
    (row,) = findings("hosts", pair).table.rows
    by_name = {profile.host_class: profile for profile in pair}
    first, second = by_name[str(row["baseline"])], by_name[str(row["host_class"])]
    # `compare` refuses other host classes; the rule is the same.
    expected = compare_profiles(first, replace(second, host_class=first.host_class))
    assert (row["change"], row["change_low"], row["change_high"]) == (expected.effect, expected.low, expected.high)
    assert row["threshold"] == pytest.approx(expected.threshold)
    # The second host of the two is 1.22 times as fast.
    assert row["answer"] == expected.answer == ("WORSE" if first.host_class == HOSTS[1].name else "BETTER")


def test_the_roof_is_the_lower_of_two_measured_limits() -> None:
    profile = make_profile(WIDE, "onnxruntime fp32 batch=4 threads=4", "single_stream")
    (row,) = findings("roofline", [profile]).table.rows
    single = 95.0 * HOSTS[0].speed
    intensity = 4 * WIDE.flops / (4 * WIDE.parameters)
    assert row["intensity"] == pytest.approx(intensity)
    assert row["attainable"] == pytest.approx(min(0.9 * 4 * single, intensity * 31.0))
    assert row["achieved"] == pytest.approx(4 * WIDE.flops / profile.value("service_p50_ms") / 1e6)
    assert row["share"] == pytest.approx(row["achieved"] / row["attainable"])


def test_what_a_pipeline_does_around_the_model_is_no_arithmetic() -> None:
    profile = make_profile(WIDE, "onnxruntime fp32", "single_stream,pipeline=1")
    for name, value in (("service_p50_ms", 3.0), ("stage_preprocess_ms", 2.0), ("stage_inference_ms", 1.0)):
        profile = with_value(profile, name, value)
    (row,) = findings("roofline", [profile]).table.rows
    assert row["achieved"] == pytest.approx(WIDE.flops / 1.0 / 1e6)


def test_peaks_are_the_best_measured_and_more_threads_are_never_less() -> None:
    row = make_study([make_profile(WIDE, "onnxruntime fp32", "single_stream")]).rows[0]

    def measured(*peaks: object) -> object:
        return replace(row, host={"peaks": list(peaks)})

    one = {"threads": 1, "gflop_per_s": 80.0, "gb_per_s": 12.0}
    disturbed = {"threads": 2, "gflop_per_s": 30.0, "gb_per_s": 9.0}
    better = {"threads": 1, "gflop_per_s": 90.0, "gb_per_s": 11.0}
    found = roofline.peaks_of([measured(one, disturbed), measured(better), measured("nonsense", {"threads": 2})])
    assert found == {1: (90.0, 12.0), 2: (90.0, 12.0)}


def test_a_host_without_measured_peaks_has_no_roof() -> None:
    profile = replace(make_profile(WIDE, "onnxruntime fp32", "single_stream"), host_json="{}")
    found = findings("roofline", [profile])
    assert found.charts == ()
    assert any("no measured peaks" in note for note in found.notes)


def test_heat_maps_need_two_settings_that_vary() -> None:
    swept = [
        make_profile(WIDE, f"onnxruntime fp32 batch={batch} threads={threads}", "single_stream")
        for batch in (1, 8) for threads in (1, 2)
    ]  # fmt: skip
    charts = [chart for chart in findings("heat-maps", swept).charts if isinstance(chart, HeatMap)]
    assert [(chart.columns, chart.rows) for chart in charts[:1]] == [(("1", "8"), ("1", "2"))]
    by_variant = {str(profile.variant): profile.value("p50_ms") for profile in swept}
    assert charts[0].cells[1][1].value == by_variant["onnxruntime fp32 batch=8 threads=2"]
    assert findings("heat-maps", swept[:2]).charts == ()


def test_hosts_differ_only_by_more_than_earlier_profiles_do() -> None:
    def measured(host: object, p50_ms: float, days: int) -> Profile:
        profile = make_profile(WIDE, "onnxruntime fp32", "single_stream", host)
        runs = [
            with_value(run, "p50_ms", p50_ms * factor)
            for run, factor in zip(profile.runs, (1, 1.001, 0.999), strict=True)
        ]
        whole = replace(profile, id=f"{profile.id}-{days}", runs=tuple(runs))
        return with_value(replace(whole, created_at=profile.created_at + timedelta(days=days)), "p50_ms", p50_ms)

    pair = [measured(HOSTS[0], 1.0, 9), measured(HOSTS[1], 1.1, 9)]
    (alone,) = findings("hosts", pair).table.rows
    assert alone["answer"] == "BETTER"
    earlier = [measured(HOSTS[0], p50_ms, day) for day, p50_ms in enumerate((1.0, 1.2, 1.0, 1.2))]
    (row,) = findings("hosts", [*earlier, *pair]).table.rows
    assert row["threshold"] == pytest.approx(0.2)
    assert row["answer"] == "SAME"
    assert (row["change"], row["change_low"]) == (alone["change"], alone["change_low"]), "only the noise is new"


def test_no_text_of_a_csv_file_is_a_formula(tmp_path: Path) -> None:
    texts = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "plain", "a=b", "", None]
    columns = (Column("name"), Column("value", number=True), Column("holds"))
    rows = tuple({"name": text, "value": -1.5, "holds": True} for text in texts)
    path = tmp_path / "table.csv"
    Table(columns, rows).write_csv(path)
    with path.open(encoding="utf-8", newline="") as stream:
        read = list(csv.DictReader(stream))
    assert [row["name"] for row in read[:5]] == ["'=1+1", "'+1", "'-1", "'@SUM(A1)", "'\t=1"]
    assert [row["name"] for row in read[5:]] == ["plain", "a=b", "", ""]
    assert {(row["value"], row["holds"]) for row in read} == {("-1.5", "true")}, "numbers stay numbers"
    Table(columns, rows).write_parquet(tmp_path / "table.parquet")
    assert pq.read_table(tmp_path / "table.parquet").column("name").to_pylist() == texts


def test_stages_take_the_wait_for_a_batch_out_of_queueing() -> None:
    profile = make_profile(SMALL, "onnxruntime fp32", "server:200,batch=4,wait_ms=2")
    for name, value in (("queue_p50_ms", 3.0), ("batch_wait_p50_ms", 2.0), ("service_p50_ms", 1.0), ("p50_ms", 4.5)):
        profile = with_value(profile, name, value)
    (chart,) = findings("stages", [profile]).charts
    assert isinstance(chart, Stacks)
    assert chart.stacks[0].values == pytest.approx((0.02, 1.0, 2.0, 1.0, 0.004))
    assert chart.stacks[0].mark == pytest.approx(4.524)


def test_stages_show_the_ways_over_a_network() -> None:
    profile = make_profile(SMALL, "onnxruntime fp32", "server:200,rtt_ms=50")
    for name, value in (("uplink_p50_ms", 25.0), ("downlink_p50_ms", 26.0), ("service_p50_ms", 1.0), ("p50_ms", 52.5)):
        profile = with_value(profile, name, value)
    (chart,) = findings("stages", [profile]).charts
    assert isinstance(chart, Stacks)
    shown = dict(zip(chart.parts, chart.stacks[0].values, strict=True))
    assert (shown["way to the model"], shown["execution"], shown["way back"]) == (25.0, 1.0, 26.0)


def test_stages_of_a_pipeline_are_drawn_as_they_add_up() -> None:
    profile = make_profile(SMALL, "onnxruntime fp32", "server:200,pipeline=1,rtt_ms=50")
    means = {"stage_uplink_ms": 25.0, "stage_queue_ms": 0.5, "stage_preprocess_ms": 0.25, "stage_inference_ms": 1.0,
             "stage_postprocess_ms": 0.125, "stage_downlink_ms": 26.0, "mean_ms": 52.875}  # fmt: skip
    for name, value in means.items():
        profile = with_value(profile, name, value)
    plain = make_profile(SMALL, "onnxruntime fp32", "server:200")
    staged, medians = findings("stages", [profile, plain]).charts
    assert isinstance(staged, Stacks)
    assert isinstance(medians, Stacks)
    if staged.axis.title.startswith("median"):
        staged, medians = medians, staged
    assert staged.parts == (
        "way to the model", "queueing", "pre-processing", "execution", "post-processing", "way back"
    )  # fmt: skip
    assert staged.stacks[0].values == (25.0, 0.5, 0.25, 1.0, 0.125, 26.0)
    assert sum(staged.stacks[0].values) == staged.stacks[0].mark
    assert (staged.mark, medians.mark) == ("mean of the whole", "median of the whole")


def test_made_up_pipelines_add_up_as_measured_ones_do() -> None:
    for row in findings("stages", pipeline_profiles()).table.rows:
        stages = [value for name, value in row.items() if name.startswith("stage_") and value is not None]
        assert len(stages) in (4, 6)
        assert sum(stages) == pytest.approx(row["mean_ms"])


def test_titles_fold_behind_commas_and_lose_nothing() -> None:
    load = "concurrency:4,batch=8,wait_ms=2,pipeline=1,rtt_ms=5,up_mbit=100,down_mbit=100"
    lines = drawing._title(Plot(f"p99, all of {load} · a-host-class", Axis("x"), Axis("y"), ()))
    assert len(lines) > 1
    assert all(len(line) <= drawing.LETTERS_A_LINE for line in lines)
    assert not any(line.endswith(("down_m", "rtt_m")) for line in lines)
    assert "".join(lines).replace(" ", "") == f"p99,allof{load}·a-host-class"


def test_a_load_curve_joins_valid_points_only() -> None:
    rates = (100, 200, 300)
    profiles = [
        make_profile(SMALL, "onnxruntime fp32", f"server:{rate}", broken=("unsteady",) if rate == 200 else ())
        for rate in rates
    ]
    (chart,) = findings("load-curves", profiles).charts
    assert isinstance(chart, Plot)
    assert [(point.x, point.valid) for point in chart.series[0].points] == [(100, True), (200, False), (300, True)]


def test_what_no_meter_measured_is_said_with_its_reason() -> None:
    found = findings("energy", [make_profile(SMALL, "onnxruntime fp32", "single_stream", HOSTS[1])])
    assert any("this host has no RAPL counters" in note for note in found.notes)
    assert found.table.rows[0]["energy_source"] == "none"


def test_a_variant_keeps_its_colour_in_every_picture() -> None:
    profiles = [
        make_profile(model, form, "single_stream") for model in MODELS for form in ("openvino fp32", "torch fp32")
    ]
    study: Study = make_study(profiles)
    colours = {(row.variant, study.colour(row)) for row in study.rows}
    assert len(colours) == 2

"""Texts of loads, variants and limits: what they mean, that they come back, and that mistakes are named."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from msearch_client import Batching, Constraint, Load, LocalError, Precision, Relation, Scenario, Variant
from msearch_client._constraints import make_profile_options
from msearch_client._loads import as_loads
from msearch_client._quantities import QUANTITIES, better_of
from msearch_client._variants import as_variants, cross
from msearch_client.cli.verdicts import RULES
from profiler_agent.loadgen import load_text as of_agent
from search_service.domain import loads as of_service
from search_service.domain import metrics as of_service_metrics

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "profiling.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "load"),
    [
        ("single_stream", Load(scenario=Scenario.SINGLE_STREAM)),
        ("offline", Load(scenario=Scenario.OFFLINE)),
        ("multi_stream:8", Load(scenario=Scenario.MULTI_STREAM, streams=8)),
        ("concurrency:4", Load(scenario=Scenario.CONCURRENCY, streams=4)),
        ("server:100", Load(scenario=Scenario.SERVER, rate_per_s=100.0)),
        ("server:0.5", Load(scenario=Scenario.SERVER, rate_per_s=0.5)),
        (
            "server:100,gamma,cv=2",
            Load(scenario=Scenario.SERVER, rate_per_s=100.0, arrival="gamma", parameters={"cv": 2.0}),
        ),
        ("find_peak:20", Load(scenario=Scenario.FIND_PEAK, p99_limit_ms=20.0)),
        (
            "server:100,batch=8,wait_ms=2.5",
            Load(scenario=Scenario.SERVER, rate_per_s=100.0, batching=Batching(8, 2.5)),
        ),
        ("concurrency:4,limit_ms=20", Load(scenario=Scenario.CONCURRENCY, streams=4, p99_limit_ms=20.0)),
    ],
)
def test_a_load_is_read_and_written(text: str, load: Load) -> None:
    assert Load.parse(text) == load
    assert str(load) == text


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        (" Server:1e2 , poisson", "server:100"),
        ("single-stream", "single_stream"),
        ("server:100,spike,factor=4,at_s=1", "server:100,spike,at_s=1,factor=4"),
        ("server:100,batch=1", "server:100"),
        ("server:100,wait_ms=2,limit_ms=30,batch=8", "server:100,batch=8,wait_ms=2,limit_ms=30"),
    ],
)
def test_what_people_write_becomes_canonical(text: str, canonical: str) -> None:
    assert str(Load.parse(text)) == canonical


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "no scenario"),
        ("closed", "no scenario 'closed'"),
        ("server", "needs the queries a second"),
        ("server:fast", "'fast' is not a number"),
        ("server:nan", "is not a number"),
        ("server:-1", "must be above 0"),
        ("server:0", "must be above 0"),
        ("find_peak:0", "must be above 0"),
        ("find_peak:20,limit_ms=5", "has its limit"),
        ("multi_stream:2.5", "whole number"),
        ("offline:3", "takes no number"),
        ("single_stream,gamma", "is not of the form name=number"),
        ("single_stream,cv=2", "takes no cv"),
        ("server:1,gamma,cv", "is not of the form name=number"),
        ("server:1,gamma,cv=2,cv=3", "given twice"),
        ("server:1,wait_ms=2", "wait_ms needs batch"),
        ("server:1,batch=2.5", "whole number"),
        ("server:1,batch=-2", "must not be below 0"),
    ],
)
def test_a_wrong_load_is_named(text: str, problem: str) -> None:
    with pytest.raises(LocalError, match=problem) as caught:
        Load.parse(text)
    assert caught.value.hint


NUMBERS = st.floats(0.001, 1e5, allow_nan=False).map(lambda value: float(f"{value:g}"))
LOADS = st.one_of(
    st.builds(lambda: Load(scenario=Scenario.SINGLE_STREAM)),
    st.builds(lambda n: Load(scenario=Scenario.CONCURRENCY, streams=n), st.integers(1, 9999)),
    st.builds(lambda limit: Load(scenario=Scenario.FIND_PEAK, p99_limit_ms=limit), NUMBERS),
    st.builds(
        lambda rate, arrival, parameters, batching, limit: Load(
            scenario=Scenario.SERVER, rate_per_s=rate, arrival=arrival, parameters=dict(sorted(parameters.items())),
            batching=batching, p99_limit_ms=limit,
        ),
        NUMBERS,
        st.sampled_from(["poisson", "gamma", "burst", "constant"]),
        st.dictionaries(st.sampled_from(["cv", "size", "at_s"]), NUMBERS, max_size=3),
        st.none() | st.builds(Batching, st.integers(2, 512), NUMBERS.map(lambda value: float(f"{value / 10:g}"))),
        st.just(0.0) | NUMBERS,
    ),
)  # fmt: skip


@given(LOADS)
# Half a nanosecond too long for six digits: rounded twice it would be another text.
@example(Load(scenario=Scenario.SERVER, rate_per_s=1.0, batching=Batching(2, 0.0328125)))
def test_client_agent_and_service_write_one_text(load: Load) -> None:
    text = str(load)
    assert str(Load.parse(text)) == text
    assert of_agent.format_load(of_agent.parse_load(text)) == text
    assert of_service.format_load(of_service.parse_load(text)) == text


def test_loads_are_given_alone_or_several_and_each_once() -> None:
    assert as_loads("offline") == as_loads(["offline", Load(scenario=Scenario.OFFLINE)])
    with pytest.raises(LocalError, match="no load"):
        as_loads([])


@pytest.mark.parametrize(
    ("text", "variant"),
    [
        ("torch", Variant(backend="torch")),
        ("onnxruntime int8_static", Variant(backend="onnxruntime", precision=Precision.INT8_STATIC)),
        (
            "onnxruntime int8_static batch=8 threads=2",
            Variant(backend="onnxruntime", precision=Precision.INT8_STATIC, batch_size=8, threads=2),
        ),
        (
            "torch bf16 mode=channels_last device=cuda:0",
            Variant(backend="torch", precision=Precision.BF16, mode="channels_last", device="cuda:0"),
        ),
        ("torch batch=2", Variant(backend="torch", batch_size=2)),
    ],
)
def test_a_variant_is_read_and_comes_back(text: str, variant: Variant) -> None:
    assert Variant.parse(text) == variant
    assert Variant.parse(str(variant)) == variant


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "does not begin with a backend"),
        ("batch=2", "does not begin with a backend"),
        ("torch int4", "precision 'int4' is unknown"),
        ("torch fp32 fast", "'fast' is not one of"),
        ("torch batch=0", "batch must be a whole number from 1"),
        ("torch batch=two", "batch must be a whole number from 1"),
        ("torch batch=1 batch=2", "gives batch twice"),
        ("torch colour=red", "'colour=red' is not one of"),
    ],
)
def test_a_wrong_variant_is_named(text: str, problem: str) -> None:
    with pytest.raises(LocalError, match=problem):
        Variant.parse(text)


def test_variants_are_given_alone_or_several_and_each_once() -> None:
    assert as_variants("torch") == as_variants(["torch fp32", Variant(backend="torch")])
    assert [str(item) for item in cross(["a", "b"], ["fp32", "bf16"])] == ["a fp32", "a bf16", "b fp32", "b bf16"]


@pytest.mark.parametrize(
    ("text", "metric", "relation", "limit"),
    [
        ("p99_ms<=20", "p99_ms", Relation.AT_MOST, 20.0),
        ("p99_ms <= 20", "p99_ms", Relation.AT_MOST, 20.0),
        ("p99_ms<=20ms", "p99_ms", Relation.AT_MOST, 20.0),
        ("p99_ms<=1.5s", "p99_ms", Relation.AT_MOST, 1500.0),
        ("p99_ms<=250 us", "p99_ms", Relation.AT_MOST, 0.25),
        ("throughput_per_s>=200", "throughput_per_s", Relation.AT_LEAST, 200.0),
        ("throughput_per_s>=200/s", "throughput_per_s", Relation.AT_LEAST, 200.0),
        ("peak_memory_bytes<=512MiB", "peak_memory_bytes", Relation.AT_MOST, 512.0 * 2**20),
        ("peak_memory_bytes<=1GB", "peak_memory_bytes", Relation.AT_MOST, 1e9),
        ("energy_j<=5mJ", "energy_j", Relation.AT_MOST, 0.005),
        ("accuracy_loss<=1%", "accuracy_loss", Relation.AT_MOST, 0.01),
        ("parameters<=5M", "parameters", Relation.AT_MOST, 5e6),
        ("flops<=2GFLOP", "flops", Relation.AT_MOST, 2e9),
        ("cost_per_1k≤$0.02".replace("$", ""), "cost_per_1k", Relation.AT_MOST, 0.02),
        ("new_quantity>=3", "new_quantity", Relation.AT_LEAST, 3.0),
    ],
)
def test_a_limit_is_read_in_the_unit_of_its_quantity(text: str, metric: str, relation: Any, limit: float) -> None:
    found = Constraint.parse(text)
    assert (found.metric, found.relation) == (metric, relation)
    assert found.limit == pytest.approx(limit, rel=1e-12)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("p99_ms", "not of the form"),
        ("p99_ms<20", "neither <= nor >="),
        ("p99_ms==20", "neither <= nor >="),
        ("<=20", "not of the form"),
        ("p99_ms<=fast", "is not a number"),
        ("p99_ms<=20GiB", "'GiB' is no unit of p99_ms"),
        ("energy_j<=5MJ", "'MJ' is no unit of energy_j"),
        ("p99_ms<=inf", "is not a number"),
        ("new_quantity<=20ms", "cannot be converted"),
    ],
)
def test_a_wrong_limit_is_named(text: str, problem: str) -> None:
    with pytest.raises(LocalError, match=problem):
        Constraint.parse(text)


@given(
    st.sampled_from(sorted(QUANTITIES)),
    st.sampled_from(Relation),
    st.floats(1e-6, 1e9).map(lambda it: float(f"{it:.15g}")),
)
def test_a_limit_comes_back_from_its_text(metric: str, relation: Relation, limit: float) -> None:
    constraint = Constraint(metric, relation, limit)
    assert Constraint.parse(str(constraint)) == constraint


def test_client_and_service_know_the_same_quantities() -> None:
    of_client = {name: (item.unit, item.better == "lower") for name, item in QUANTITIES.items()}
    assert of_client == {
        name: (item.unit, item.lower_is_better) for name, item in of_service_metrics.QUANTITIES.items()
    }


def test_an_unknown_quantity_is_named_with_its_neighbours() -> None:
    with pytest.raises(LocalError, match="p98_ms") as caught:
        better_of("p98_ms")
    assert "p99_ms" in caught.value.hint or "p90_ms" in caught.value.hint


def test_what_profiles_must_meet() -> None:
    assert make_profile_options((), None, "", "", "") is None
    options = make_profile_options("p99_ms<=20", "server:1e2", "epyc", "p50_ms", "energy_j")
    assert options is not None
    assert (options.load, options.metrics) == ("server:100", ("p50_ms", "p99_ms", "energy_j"))


def test_the_page_on_profiling_describes_every_quantity_in_its_unit() -> None:
    rows = re.findall(r"^\| ((?:`\w+` ?)+) ?\| (\S*) ?\| .* \| (lower|higher) \|$", PAGE, re.MULTILINE)
    described = {name: (unit, better) for names, unit, better in rows for name in re.findall(r"`(\w+)`", names)}
    assert described == {name: (item.unit, item.better) for name, item in QUANTITIES.items()}


def test_the_page_on_profiling_describes_every_rule() -> None:
    assert [rule for rule in RULES if f"`{rule}`" not in PAGE] == []

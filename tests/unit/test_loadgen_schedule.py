"""The schedule of an open loop."""

from __future__ import annotations

import numpy as np
import pytest

from profiler_agent.errors import InvalidLoad
from profiler_agent.loadgen.load_text import format_load, parse_load
from profiler_agent.loadgen.schedule import Schedule, draw_schedule
from profiler_agent.work import Load, Scenario


def schedule(text: str = "server:100", **changes: object) -> Schedule:
    settings = {"duration_s": 2.0, "min_queries": 50, "pool": 16, "seed": 3} | changes
    return draw_schedule(parse_load(text), **settings)  # type: ignore[arg-type]


def test_it_is_long_enough_and_large_enough() -> None:
    assert schedule("server:1000,constant", min_queries=10).count >= 2000
    assert schedule("server:10", min_queries=500).count >= 500
    assert schedule("server:100,progressive", min_queries=700).count >= 700


def test_the_digest_names_times_and_samples() -> None:
    assert schedule().digest == schedule().digest
    assert len({schedule().digest, schedule(seed=4).digest, schedule(pool=8).digest}) == 3


def test_each_sample_comes_once_before_any_comes_again() -> None:
    samples = schedule("server:100,constant").samples
    for start in range(0, samples.size - 16, 16):
        assert sorted(samples[start : start + 16]) == list(range(16))


def test_a_trace_is_replayed_as_it_is() -> None:
    load = Load(scenario=Scenario.SERVER, arrival="trace", trace_s=(0.0, 0.25, 0.25, 1.5))
    drawn = draw_schedule(load, duration_s=9, min_queries=99, pool=2, seed=1)
    assert drawn.offsets_ns.tolist() == [0, 250_000_000, 250_000_000, 1_500_000_000]


@pytest.mark.parametrize(
    ("load", "problem"),
    [
        (Load(scenario=Scenario.SERVER, rate_per_s=0.0), "rate of 0 requests"),
        (Load(scenario=Scenario.SERVER, rate_per_s=1e9), "rate of 1e\\+09 requests"),
        (Load(scenario=Scenario.SERVER, rate_per_s=float("nan")), "rate of nan"),
        (Load(scenario=Scenario.SERVER, rate_per_s=5.0, arrival="poison"), "did you mean poisson"),
        (Load(scenario=Scenario.SERVER, rate_per_s=5.0, arrival="gamma", parameters={"vc": 1}), "it has cv"),
        (Load(scenario=Scenario.SERVER, rate_per_s=5.0, arrival="burst", parameters={"size": 2.5}), "a whole number"),
        (
            Load(scenario=Scenario.SERVER, rate_per_s=1e3, arrival="spike", parameters={"factor": 900}),
            "cannot be issued",
        ),
        (Load(scenario=Scenario.SERVER, arrival="trace"), "needs arrival times"),
        (
            Load(scenario=Scenario.SERVER, arrival="trace", trace_s=(1.0,), parameters={"size": 1}),
            "no parameter 'size'",
        ),
        (Load(scenario=Scenario.SERVER, arrival="trace", trace_s=(1.0, 0.5)), "ascending"),
    ],
)
def test_a_load_that_cannot_be_is_refused(load: Load, problem: str) -> None:
    with pytest.raises(InvalidLoad, match=problem):
        draw_schedule(load, duration_s=1, min_queries=1, pool=1, seed=1)


@pytest.mark.parametrize(("text", "duration_s"), [("server:150000", 60.0), ("server:100,spike,factor=1000", 10_000.0)])
def test_a_run_of_too_many_requests_is_refused(text: str, duration_s: float) -> None:
    with pytest.raises(InvalidLoad, match=r"at most|too many"):
        schedule(text, duration_s=duration_s)


def test_a_pool_without_samples_is_refused() -> None:
    with pytest.raises(InvalidLoad, match="no samples"):
        schedule(pool=0)


def test_a_thin_pattern_is_drawn_for_longer_until_there_are_enough() -> None:
    assert schedule("server:100,progressive,from=0.01,utilisation=0.01", min_queries=500).count >= 500


@pytest.mark.parametrize(
    "text",
    [
        "single_stream",
        "multi_stream:8",
        "offline",
        "concurrency:4",
        "server:100",
        "server:0.5",
        "server:100,gamma,cv=2",
        "server:100,batch=8,wait_ms=2",
        "server:100,limit_ms=20",
        "find_peak:20",
    ],
)
def test_the_text_of_a_load_reads_back(text: str) -> None:
    assert format_load(parse_load(text)) == text


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "no scenario"),
        ("serve:1", "no scenario; known are single_stream"),
        ("server", "a number after a colon"),
        ("offline:3", "no number"),
        ("server:x", "'x' in 'server:x' is no number"),
        ("server:nan", "is no number"),
        ("server:0", "above 0"),
        ("server:1,gamma,cv", "NAME=NUMBER"),
        ("server:1,gamma,cv=1,cv=2", "each name once"),
        ("offline,cv=2", "belong to the scenario server"),
        ("concurrency:2.5", "whole number"),
        ("server:5,batch=2.5", "whole number"),
        ("server:5,wait_ms=2", "needs batch"),
        ("server:5,batch=4,wait_ms=-1", "must not be negative"),
        ("server:5,limit_ms=-1", "must not be negative"),
        ("find_peak:20,limit_ms=5", "after the colon already"),
    ],
)
def test_a_text_that_is_no_load_is_refused(text: str, problem: str) -> None:
    with pytest.raises(InvalidLoad, match=problem):
        parse_load(text)


def test_offsets_are_whole_nanoseconds() -> None:
    assert schedule().offsets_ns.dtype == np.int64

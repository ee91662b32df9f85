"""The scripted service times of the null backend, on a clock that the test moves."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from profiler_agent.backends.base import CompileRequest
from profiler_agent.backends.null import BACKEND, NullModel, parse_mode
from profiler_agent.errors import BackendUnavailable
from profiler_agent.work import Precision, Variant

MS = 1_000_000


def request(**variant: object) -> CompileRequest:
    return CompileRequest(
        variant=Variant(backend="null", **variant),  # type: ignore[arg-type]
        artifact=None,
        format="",
        digest="",
        cache=Path(),
        workspace=Path(),
    )


@pytest.mark.parametrize(
    ("mode", "elapsed_ns", "samples", "service_ns"),
    [
        ("", 0, 1, MS),
        ("constant:1ms", 99, 7, MS),
        ("constant:250us", 0, 1, 250_000),
        ("constant:1.05ms", 0, 1, 1_050_000),
        ("constant:0ns", 0, 1, 0),
        ("affine:fixed=1ms,each=0.5ms", 0, 4, 3 * MS),
        ("stall:at=2s,for=3s", 1_999 * MS, 1, MS),
        ("stall:at=2s,for=3s", 2_000 * MS, 1, 3_000 * MS),
        ("stall:at=2s,for=3s", 4_999 * MS, 1, MS),
        ("stall:at=2s,for=3s,service=2ms", 3_000 * MS, 1, 2_000 * MS),
        ("stall:at=2s,for=3s,service=2ms", 5_000 * MS, 1, 2 * MS),
    ],
)
def test_scripts(mode: str, elapsed_ns: int, samples: int, service_ns: int) -> None:
    assert parse_mode(mode)(elapsed_ns, samples) == service_ns


def test_exponential_times_have_their_mean_and_their_seed() -> None:
    script = parse_mode("exponential:1ms,seed=3")
    drawn = np.array([script(0, 1) for _ in range(20_000)]) / MS
    assert drawn.mean() == pytest.approx(1, abs=0.03)
    assert drawn.std() == pytest.approx(1, abs=0.04)
    assert np.mean(drawn > 1) == pytest.approx(np.exp(-1), abs=0.015)
    again, other = parse_mode("exponential:1ms,seed=3"), parse_mode("exponential:1ms,seed=4")
    assert [again(0, 1) / MS for _ in range(5)] == list(drawn[:5])
    assert other(0, 1) / MS != drawn[0]


@pytest.mark.parametrize(
    ("mode", "said"),
    [
        ("sawtooth:1ms", "no mode 'sawtooth'; it has constant, exponential, stall, affine"),
        ("constant:", "lacks a parameter; constant takes a time"),
        ("constant:1", "'1' is no time"),
        ("constant:-1ms", "'-1ms' is no time"),
        ("constant:2h", "'2h' is no time"),
        ("constant:9999s", "at most 3600s"),
        ("constant:1ms,seed=3", "no parameter 'seed'; it has a time"),
        ("exponential:1ms,seed=x", "seed 'x'"),
        ("stall:at=1s", "stall takes at, for, service"),
    ],
)
def test_a_bad_mode_is_explained(mode: str, said: str) -> None:
    with pytest.raises(BackendUnavailable, match=said):
        BACKEND.compile(request(mode=mode))


def test_it_computes_nothing_but_in_fp32_on_the_cpu() -> None:
    for variant in ({"precision": Precision.BF16}, {"device": "cuda:0"}):
        with pytest.raises(BackendUnavailable, match="computes nothing"):
            BACKEND.compile(request(**variant))


def test_a_call_takes_at_least_its_time_and_gives_back_its_feed() -> None:
    model = BACKEND.compile(request(mode="constant:3ms"))
    x = np.arange(4, dtype=np.float32)
    start = time.perf_counter_ns()
    output = model.run({"x": x})
    assert time.perf_counter_ns() - start >= 3 * MS
    assert output["y"] is x
    with pytest.raises(ValueError, match="lacks the input 'x'"):
        model.run({})
    model.close()
    model.close()


def test_sleeping_takes_little_of_the_processor() -> None:
    model = BACKEND.compile(request(mode="constant:20ms"))
    start = time.process_time_ns()
    for _ in range(10):
        model.run({"x": np.zeros(1, np.float32)})
    assert time.process_time_ns() - start < 100 * MS  # of 200 ms; spinning would take them all


def test_a_stall_is_seen_from_the_first_call_on(monkeypatch: pytest.MonkeyPatch) -> None:
    model = NullModel(parse_mode("stall:at=20ms,for=30ms,service=0ms"))
    now = 5_000 * MS
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        nonlocal now
        slept.append(seconds)
        now += max(1_000, round(seconds * 1e9))

    monkeypatch.setattr(time, "perf_counter_ns", lambda: now)
    monkeypatch.setattr(time, "sleep", sleep)
    feed = {"x": np.zeros(1, np.float32)}
    model.run(feed)
    now = 5_025 * MS
    model.run(feed)
    assert now == pytest.approx(5_050 * MS, abs=2_000)
    model.run(feed)
    assert now == pytest.approx(5_050 * MS, abs=2_000)

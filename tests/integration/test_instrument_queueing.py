"""Percentiles of the load generator against queueing theory, and the same targets in real time."""

from __future__ import annotations

import time

import numpy as np
import pytest

from profiler_agent.loadgen.clock import MONOTONIC
from profiler_agent.loadgen.load_text import parse_load
from profiler_agent.loadgen.requests import Requests
from profiler_agent.loadgen.scenarios import drive
from profiler_agent.stats.percentiles import nearest_rank
from profiler_agent.work import RunLimits
from tests.queueing import (
    md1_mean_response,
    md1_response_quantile,
    mm1_mean_response,
    mm1_response_quantile,
)
from tests.simulated_clock import SimulatedClock
from tests.timed_targets import TimedTarget

SERVICE_S = 5e-3
COUNT = 30_000


def simulated(rate: float, times: np.ndarray, seed: int) -> Requests:
    clock = SimulatedClock()
    target = TimedTarget(clock, lambda number: float(times[number]))
    limits = RunLimits(min_duration_s=1.0, min_queries=COUNT, max_duration_s=1e6)
    return drive(target, parse_load(f"server:{rate:g}"), limits, seed=seed, clock=clock)


# Fixed seeds, so nothing here is left to chance; the tolerances are five times what 30,000 correlated waits spread.
@pytest.mark.parametrize("utilisation", [0.3, 0.5, 0.7])
def test_constant_service_times_answer_as_the_md1_formulas_say(utilisation: float) -> None:
    rate = utilisation / SERVICE_S
    response = simulated(rate, np.full(2 * COUNT, SERVICE_S), seed=5).response_ns / 1e9
    assert response.mean() == pytest.approx(md1_mean_response(rate, SERVICE_S), rel=0.05)
    for percent in (50, 90, 99):
        wanted = md1_response_quantile(rate, SERVICE_S, percent / 100)
        assert nearest_rank(response, percent) == pytest.approx(wanted, rel=0.08)


@pytest.mark.parametrize("utilisation", [0.3, 0.5, 0.7])
def test_exponential_service_times_answer_as_the_mm1_formulas_say(utilisation: float) -> None:
    rate = utilisation / SERVICE_S
    times = np.random.default_rng(6).exponential(SERVICE_S, 2 * COUNT)
    response = simulated(rate, times, seed=7).response_ns / 1e9
    assert response.mean() == pytest.approx(mm1_mean_response(rate, SERVICE_S), rel=0.08)
    for percent in (50, 90, 99):
        wanted = mm1_response_quantile(rate, SERVICE_S, percent / 100)
        assert nearest_rank(response, percent) == pytest.approx(wanted, rel=0.12)


@pytest.mark.slow
def test_real_time_gives_what_simulated_time_gives() -> None:
    """Medians over chunks of a run: a neighbour may spoil some chunks, but not half of them."""
    rate, limits = 100.0, RunLimits(min_duration_s=20.0, min_queries=2000)
    load = parse_load(f"server:{rate:g}")
    real = drive(TimedTarget(MONOTONIC, lambda _: SERVICE_S), load, limits, seed=3)
    clock = SimulatedClock()
    exact = drive(TimedTarget(clock, lambda _: SERVICE_S), load, limits, seed=3, clock=clock)
    assert real.schedule_digest == exact.schedule_digest
    assert np.array_equal(real.scheduled_ns, exact.scheduled_ns)
    assert not real.failed.any()
    assert (real.response_ns >= SERVICE_S * 1e9).all()
    # Only ever later, and mostly by less than a fifth of a service time.
    assert (real.finished_ns >= exact.finished_ns).all()
    assert np.median(real.response_ns - exact.response_ns) < 0.2 * SERVICE_S * 1e9


def test_real_threads_keep_the_order_of_times_and_leave_nothing_behind() -> None:
    import gc
    import sys
    import threading

    interval, collecting, threads = sys.getswitchinterval(), gc.isenabled(), threading.active_count()
    begun = time.monotonic_ns()
    limits = RunLimits(min_duration_s=0.2, min_queries=50, max_duration_s=5.0)
    for text in ("server:500", "server:500,batch=4,wait_ms=1", "single_stream", "concurrency:2", "offline"):
        requests = drive(TimedTarget(MONOTONIC, lambda _: 2e-4), parse_load(text), limits, seed=2, workers=2)
        assert not requests.failed.any()
        assert requests.count >= 50
        assert (requests.scheduled_ns <= requests.sent_ns).all()
        assert (requests.sent_ns <= requests.started_ns).all()
        assert (requests.service_ns >= 200_000).all()
    assert requests.finished_ns.max() < time.monotonic_ns() - begun
    assert (sys.getswitchinterval(), gc.isenabled(), threading.active_count()) == (interval, collecting, threads)

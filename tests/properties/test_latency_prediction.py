"""The predictor of latencies: its arithmetic against scipy, laws it must find again, what its interval promises."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import nnls

from msearch_deployment.latency import (
    Case,
    LatencyPredictor,
    Machine,
    Observation,
    Unpredictable,
    Work,
    run_seconds,
)
from msearch_deployment.latency.fitting import non_negative_least_squares

FAST = Machine(host_class="fast", gflop_per_s=200.0, gb_per_s=20.0)
SLOW = Machine(host_class="slow", gflop_per_s=40.0, gb_per_s=8.0)
OTHER = Machine(host_class="other", gflop_per_s=90.0, gb_per_s=30.0)


def a_work(random: np.random.Generator) -> Work:
    return Work(
        flops=math.exp(random.uniform(math.log(1e6), math.log(1e9))),
        activation_bytes=math.exp(random.uniform(math.log(1e4), math.log(1e7))),
        parameters=math.exp(random.uniform(math.log(1e4), math.log(1e7))),
        operators=float(random.integers(3, 200)),
    )


def law_ms(case: Case) -> float:
    return 0.01 + 0.002 * case.work.operators + 1.4 * case.compute_ms + 0.5 * case.memory_ms


def observe(random: np.random.Generator, models: int, noise: float, *machines: Machine) -> list[Observation]:
    """Models whose latency follows the law, each off by a factor of its own."""
    found = []
    for number in range(models):
        work, factor = a_work(random), math.exp(random.normal(0, noise))
        for machine in machines:
            for batch in (1, 8):
                case = Case(model=f"m{number}", work=work, machine=machine, batch=batch)
                found.append(Observation(case, law_ms(case) * factor))
    return found


finite = st.floats(-10, 10, allow_nan=False, width=32)


@given(arrays(np.float64, (9, 4), elements=finite), arrays(np.float64, 9, elements=finite))
@settings(max_examples=50)
def test_non_negative_least_squares_are_those_of_scipy(matrix: np.ndarray, target: np.ndarray) -> None:
    found = non_negative_least_squares(matrix, target)
    assert (found >= 0).all()
    _, best = nnls(matrix, target)
    assert np.linalg.norm(matrix @ found - target) <= best + 1e-2 * (1 + np.linalg.norm(target))


@given(st.integers(0, 1000))
@settings(max_examples=10, deadline=None)
def test_a_law_without_noise_is_found_again_on_models_and_hosts_alike(seed: int) -> None:
    random = np.random.default_rng(seed)
    predictor = LatencyPredictor(observe(random, 15, 0.0, FAST, SLOW))
    for machine in (FAST, SLOW):
        case = Case(model="new", work=a_work(random), machine=machine, batch=4)
        told = predictor.predict(case)
        assert told.latency_ms == pytest.approx(law_ms(case), rel=0.02)
        assert told.low_ms <= told.latency_ms <= told.high_ms


@given(st.integers(0, 1000), st.floats(0.001, 1000))
@settings(max_examples=10, deadline=None)
def test_measuring_in_other_units_changes_nothing(seed: int, factor: float) -> None:
    observed = observe(np.random.default_rng(seed), 12, 0.3, FAST)
    scaled = [Observation(one.case, one.latency_ms * factor) for one in observed]
    case = observed[0].case
    first, second = LatencyPredictor(observed).predict(case), LatencyPredictor(scaled).predict(case)
    assert second.latency_ms == pytest.approx(first.latency_ms * factor, rel=1e-3)
    assert second.high_ms / second.low_ms == pytest.approx(first.high_ms / first.low_ms, rel=1e-3)


def test_the_interval_holds_what_it_promises() -> None:
    """Of models drawn like those of the evidence, nine of ten lie within."""
    random = np.random.default_rng(7)
    within = total = 0
    for _ in range(12):
        observed = observe(random, 40, 0.4, FAST)
        predictor = LatencyPredictor([one for one in observed if int(one.case.model[1:]) < 20])
        for one in observed:
            if int(one.case.model[1:]) < 20:
                continue
            try:
                told = predictor.predict(one.case)
            except Unpredictable:
                continue
            total += 1
            within += told.low_ms <= one.latency_ms <= told.high_ms
    assert total > 400
    assert 0.85 <= within / total <= 0.99


def test_too_few_models_are_refused_with_their_number() -> None:
    observed = observe(np.random.default_rng(1), 9, 0.1, FAST, SLOW)
    with pytest.raises(Unpredictable, match="models measured so: 9, and a prediction needs 10"):
        LatencyPredictor(observed)
    with pytest.raises(Unpredictable, match="measured so: 0"):
        LatencyPredictor([])


def test_a_host_class_nobody_measured_on_needs_others_and_is_less_sure() -> None:
    random = np.random.default_rng(3)
    elsewhere = Machine(host_class="elsewhere", gflop_per_s=120.0, gb_per_s=15.0)
    case = Case(model="new", work=a_work(random), machine=elsewhere)
    with pytest.raises(Unpredictable, match=r"nothing was measured so on elsewhere.*of 3 other.*\(there are 2\)"):
        LatencyPredictor(observe(random, 12, 0.2, FAST, SLOW)).predict(case)
    predictor = LatencyPredictor(observe(random, 12, 0.2, FAST, SLOW, OTHER))
    there = predictor.predict(case)
    known = predictor.predict(Case(model="new", work=case.work, machine=FAST))
    assert there.high_ms / there.low_ms >= known.high_ms / known.low_ms
    assert (there.models, there.host_classes) == (12, 3)


def test_what_lies_far_beyond_the_evidence_is_refused() -> None:
    predictor = LatencyPredictor(observe(np.random.default_rng(4), 12, 0.1, FAST))
    huge = Work(flops=1e13, activation_bytes=1e9, parameters=1e9, operators=10)
    with pytest.raises(Unpredictable, match="and what was measured"):
        predictor.predict(Case(model="huge", work=huge, machine=FAST))


def test_a_run_lasts_as_long_as_both_its_limits() -> None:
    observed = observe(np.random.default_rng(5), 12, 0.0, FAST)
    predictor, case = LatencyPredictor(observed), observed[0].case
    latency_s = predictor.predict(case).latency_ms / 1e3
    assert run_seconds(predictor, case, min_duration_s=2.0, min_queries=1) == 2.0
    assert run_seconds(predictor, case, min_duration_s=0.0, min_queries=1000) == pytest.approx(1000 * latency_s)


@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf")])
def test_evidence_must_be_numbers_that_can_be(value: float) -> None:
    with pytest.raises(ValueError, match="flops must be"):
        Work(flops=value, activation_bytes=1, parameters=1, operators=1)
    with pytest.raises(ValueError, match="gflop_per_s of x must be"):
        Machine(host_class="x", gflop_per_s=value, gb_per_s=1)

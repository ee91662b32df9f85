"""Which trial is best, and that the optimiser finds better cells than chance, under limits."""

from __future__ import annotations

import random
import statistics

import pytest

from msearch_experiments import Cell, Plan, expand, parse_benchmark
from msearch_experiments.searching import Goal, Requirement, Trial, best_trial, dimensions_of, points_of
from search_service.benchmarking.optimiser import OptunaOptimiser

FASTEST = Goal(optimise="p99_ms", lower_is_better=True)
GRID = """
models: [a, b, c]
software:
  - {backend: [onnxruntime, openvino], precision: [fp32, int8_static, bf16], batch_size: [1, 2, 4, 8, 16, 32, 64]}
  - {backend: torch, batch_size: [1, 8, 64], threads: [1, 2, 4]}
"""


def measure(cell: Cell) -> dict[str, float]:
    """A made-up host: latency grows with the batch, throughput too, int8 and b are fast."""
    base = {"a": 3.0, "b": 1.5, "c": 5.0}[cell.model] * {"onnxruntime": 1.0, "openvino": 0.7, "torch": 1.6}[
        cell.backend
    ]
    base *= {"fp32": 1.0, "int8_static": 0.4, "bf16": 0.6}[cell.precision] / cell.threads**0.5
    latency_ms = base * (0.5 + 0.5 * cell.batch_size)
    return {"throughput_per_s": 1000 * cell.batch_size / latency_ms, "p99_ms": 1.5 * latency_ms}


@pytest.mark.parametrize(
    ("text", "value", "holds"),
    [("p99_ms<=20", 20, True), ("p99_ms <= 20", 20.1, False), ("x>=1e2", 100, True), ("x>=1e2", 99, False),
     ("x<=-1", -2, True), ("x<=0", 0.5, False)],
)  # fmt: skip
def test_a_limit_holds(text: str, value: float, holds: bool) -> None:
    limit = Requirement.parse(text)
    assert (limit.violation({limit.quantity: value}) <= 0) is holds
    assert limit.violation({}) > 0, "an unknown value keeps no limit"


@pytest.mark.parametrize("text", ["", "p99_ms", "p99_ms<20", "p99_ms<=x", "<=20", "p99_ms<=20ms"])
def test_a_limit_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must read QUANTITY<=NUMBER"):
        Requirement.parse(text)


def test_the_best_keeps_all_limits() -> None:
    trials = [
        Trial(0, {"p99_ms": 9.0, "throughput_per_s": 90.0}),
        Trial(1, {"p99_ms": 4.0, "throughput_per_s": 40.0}),
        Trial(2, {"p99_ms": 4.0, "throughput_per_s": 41.0}),
        Trial(3, {"throughput_per_s": 900.0}),
        Trial(4, None),
    ]
    assert best_trial(FASTEST, trials) == trials[1], "the earlier of equals"
    limited = Goal(optimise="throughput_per_s", lower_is_better=False, require=(Requirement("p99_ms", True, 5.0),))
    assert best_trial(limited, trials) == trials[2]
    impossible = Goal(optimise="p99_ms", lower_is_better=True, require=(Requirement("p99_ms", True, 1.0),))
    assert best_trial(impossible, trials) is None


def test_only_what_varies_is_a_dimension() -> None:
    points = points_of(expand(parse_benchmark(GRID)))
    found = dimensions_of(points)
    assert set(found) == {"model", "backend", "precision", "batch_size", "threads"}
    assert found["batch_size"] == (1, 2, 4, 8, 16, 32, 64)
    assert dimensions_of(points[:1]) == {}


def test_layers_and_width_of_generated_models_are_dimensions_of_their_own() -> None:
    text = """
    models: zoo/digits
    generate:
      - {family: mlp, layers: [8, 2, 4], width: [128, 64]}
      - {family: mlp, layers: 2, width: 64, seed: 7}
    """
    points = points_of(expand(parse_benchmark(text)))
    found = dimensions_of(points)
    assert set(found) == {"model", "layers", "width"}
    assert found["layers"] == (0, 2, 4, 8), "in order, 0 for the registered model"
    assert found["width"] == (0, 64, 128)
    assert len(set(found["model"])) == 3, "the registered one, and two kinds of mlp that differ in their seed"
    assert len({tuple(point.values()) for point in points}) == len(points) == 1 + 3 * 2 + 1


def ask(plan: Plan, goal: Goal, budget: int, seed: int) -> list[Trial]:
    """A search to its end."""
    cells, points = plan.cells, points_of(plan)
    trials: list[Trial] = []
    while len(trials) < budget:
        asked = OptunaOptimiser().ask(points, goal, trials, count=4, budget=budget, seed=seed)
        assert 1 <= len(asked) <= 4
        trials += [Trial(position, measure(cells[position])) for position in asked]
    return trials


def test_it_finds_better_cells_than_chance_under_a_limit() -> None:
    pytest.importorskip("optuna", reason="the extra search is not installed")
    plan = expand(parse_benchmark(GRID))
    goal = Goal(optimise="throughput_per_s", lower_is_better=False, require=(Requirement.parse("p99_ms<=10"),))
    everything = [Trial(position, measure(cell)) for position, cell in enumerate(plan.cells)]
    best = best_trial(goal, everything)
    assert best is not None

    def reached(trials: list[Trial]) -> float:
        found = best_trial(goal, trials)
        return found.values["throughput_per_s"] / best.values["throughput_per_s"] if found else 0.0

    searched = [ask(plan, goal, 32, seed) for seed in range(8)]
    by_chance = [random.Random(seed).sample(everything, 32) for seed in range(8)]
    assert all(len({trial.position for trial in trials}) == len(trials) for trials in searched), "none is tried twice"
    assert statistics.mean(map(reached, searched)) > statistics.mean(map(reached, by_chance)) + 0.05


def test_the_same_question_has_the_same_answer() -> None:
    pytest.importorskip("optuna", reason="the extra search is not installed")
    plan = expand(parse_benchmark(GRID))
    points = points_of(plan)
    trials = [Trial(position, measure(plan.cells[position])) for position in range(0, 60, 5)]
    answers = [OptunaOptimiser().ask(points, FASTEST, trials, count=5, budget=40, seed=3) for _ in range(2)]
    assert answers[0] == answers[1]
    assert OptunaOptimiser().ask(points, FASTEST, trials, count=5, budget=40, seed=4) != answers[0]


def test_it_asks_for_every_cell_at_most() -> None:
    pytest.importorskip("optuna", reason="the extra search is not installed")
    points = points_of(expand(parse_benchmark("models: [a, b]\nsoftware: {batch_size: [1, 2]}")))
    failed = [Trial(1, None)]
    asked = OptunaOptimiser().ask(points, FASTEST, failed, count=9, budget=9, seed=1)
    assert sorted(asked) == [0, 2, 3]
    assert OptunaOptimiser().ask(points[:1], FASTEST, [], count=2, budget=2, seed=1) == [0]

"""The simulator against schedules worked out by hand, queueing theory, and its own account."""

from __future__ import annotations

import json

import numpy as np
import pytest

from msearch_scheduling.ordering import OrderRules
from msearch_scheduling.placement import Measure
from msearch_scheduling.simulator import Scenario, Settings, Sizes, Workload, draw, simulate, simulate_policy
from msearch_scheduling.simulator.baseline import one_queue, round_robin


def workload(*rows: tuple[float, float]) -> Workload:
    arrivals, sizes = (np.array(column, dtype=np.float64) for column in zip(*rows, strict=True))
    return Workload(arrivals, sizes, sizes, ("",) * len(rows))


def test_round_robin_takes_turns() -> None:
    schedule = round_robin(workload((0, 5), (0, 1), (1, 2), (1, 1)), (1.0, 1.0))
    assert schedule.agents.tolist() == [0, 1, 0, 1]
    assert schedule.finished.tolist() == [5, 1, 7, 2]


def test_round_robin_gives_fast_agents_more_turns() -> None:
    schedule = round_robin(workload(*[(0, 6)] * 12), (1.0, 2.0, 3.0))
    assert np.bincount(schedule.agents).tolist() == [2, 4, 6]
    assert schedule.finished.max() == 12, "each agent works for as long"


def test_one_queue_serves_in_order_of_arrival() -> None:
    schedule = one_queue(workload((0, 5), (0, 1), (0, 2), (0, 1)), (1.0, 1.0))
    assert schedule.started.tolist() == [0, 0, 1, 3]


def test_the_policy_on_one_agent_is_shortest_first_within_the_limit() -> None:
    jobs = workload((0, 4), (1, 3), (1, 1), (1, 2))
    free = simulate_policy(jobs, (1.0,), Settings(rules=OrderRules(ageing=0, wait_limit=1e9)))
    assert free.schedule.started.tolist() == [0, 7, 4, 5]
    assert free.in_turn.tolist() == [0, 3, 6, 7]
    strict = simulate_policy(jobs, (1.0,), Settings(rules=OrderRules(ageing=0, wait_limit=1)))
    assert strict.schedule.started.tolist() == [0, 4, 7, 8]


def test_jobs_of_an_overloaded_agent_move_to_an_idle_one() -> None:
    # By number of jobs the third goes to the first agent, where the long one runs.
    jobs = workload((0, 50), (0, 1), (0, 2))
    for taking_over, started, taken in ((False, 50, 0), (True, 1, 1)):
        outcome = simulate_policy(jobs, (1.0, 1.0), Settings(measure=Measure.JOBS, taking_over=taking_over))
        assert outcome.schedule.started[2] == started
        assert outcome.taken_over == taken


@pytest.mark.parametrize("kind", Sizes)
def test_sizes_have_mean_one(kind: Sizes) -> None:
    drawn = draw(Scenario(sizes=kind, jobs=100_000, load=0.8), 1)
    assert drawn.sizes.mean() == pytest.approx(1, rel=0.02)
    assert drawn.arrivals[-1] == pytest.approx(100_000 / (4 * 0.8), rel=0.02)


def test_estimates_are_off_as_asked_and_leave_the_jobs_alone() -> None:
    exact, noisy = draw(Scenario(jobs=20_000), 3), draw(Scenario(jobs=20_000, sigma=0.7), 3)
    np.testing.assert_array_equal(exact.sizes, noisy.sizes)
    np.testing.assert_array_equal(exact.sizes, exact.estimates)
    assert np.log(noisy.estimates / noisy.sizes).std() == pytest.approx(0.7, rel=0.03)


def test_first_come_first_served_waits_as_queueing_theory_says() -> None:
    # M/M/1: mean wait = load / (1 - load), in mean sizes.
    jobs = draw(Scenario(jobs=200_000, load=0.5, speeds=(1.0,)), 5)
    waits = one_queue(jobs, (1.0,)).started - jobs.arrivals
    assert waits.mean() == pytest.approx(1.0, rel=0.05)


def test_the_policy_beats_round_robin_and_keeps_its_promise() -> None:
    found = simulate(seeds=20)
    assert found.mean >= 1.60
    assert found.total("over_limit") == 0
    assert found.worst("longest_wait") <= 3
    assert found.percentile(5) < found.percentile(50) < found.percentile(95)
    assert simulate(Scenario(sigma=1), seeds=20).mean >= 1.43


def test_the_rules_of_the_study_give_its_ratio() -> None:
    plain = Settings(rules=OrderRules(ageing=0, wait_limit=1e9), measure=Measure.WORK, taking_over=False)
    assert simulate(Scenario(load=None), settings=plain).mean == pytest.approx(1.78, abs=0.05)


def test_a_comparison_is_the_same_again_and_goes_to_json() -> None:
    first, second = (simulate(Scenario(jobs=20), seeds=[3, 7]) for _ in range(2))
    assert first == second
    assert [seed["seed"] for seed in json.loads(json.dumps(first.to_dict()))["seeds"]] == [3, 7]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"load": 0}, "a load of 0"),
        ({"jobs": 0}, "at least one job"),
        ({"speeds": ()}, "one agent"),
        ({"speeds": (1.0, 0.0)}, "speeds 1, 0"),
        ({"sigma": -1}, "an estimate error of sigma -1"),
    ],
)
def test_impossible_scenarios_are_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Scenario(**values)  # type: ignore[arg-type]


def test_no_seed_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one seed"):
        simulate(seeds=0)

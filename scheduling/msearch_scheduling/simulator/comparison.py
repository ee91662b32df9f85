"""Compares the policy with round robin + first come, first served, over seeds.

    comparison = simulate(Scenario(load=0.8), seeds=20)
    comparison.mean, comparison.p5, comparison.p50, comparison.p95

The ratio of a seed is the mean completion time (end minus arrival) of the baseline by that of the policy: above 1 the
policy is better. One seed says little, so distributions are given.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msearch_scheduling.simulator.baseline import one_queue, round_robin
from msearch_scheduling.simulator.engine import Settings, simulate_policy
from msearch_scheduling.simulator.workload import Scenario, Workload, draw

TOLERANCE = 1e-6
"""Waits are sums of many times; differences below this, relative to the mean size, are rounding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedResult:
    """What came of one seed. Times are in mean job sizes at speed 1.

    Attributes:
        ratio: mean completion time of the baseline by that of the policy.
        policy_mean, baseline_mean: mean completion times.
        policy_makespan, baseline_makespan: from time 0 to the end of the last job.
        policy_slowdown, baseline_slowdown: the worst of completion time by size (at speed 1) over the jobs.
        policy_longest, baseline_longest: the longest completion time of a job.
        longest_wait: the most that a job waited, as a multiple of its first-come-first-served wait: that in the queue
            it found on arrival, had its agent then served in order of arrival. 0 where nobody waited.
        over_limit: jobs that waited more than `wait_limit` times that.
        over_one_queue: jobs that waited more than `wait_limit` times as long as in one common queue in order of
            arrival from the first job on. No policy that does not know the future can promise that none does.
        excess_one_queue: the longest time by which one of them did.
        taken_over: jobs that ran elsewhere than where they had been placed.
    """

    seed: int
    ratio: float
    policy_mean: float
    baseline_mean: float
    policy_makespan: float
    baseline_makespan: float
    policy_slowdown: float
    baseline_slowdown: float
    policy_longest: float
    baseline_longest: float
    longest_wait: float
    over_limit: int
    over_one_queue: int
    excess_one_queue: float
    taken_over: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """The seeds of a scenario."""

    scenario: Scenario
    seeds: tuple[SeedResult, ...]

    @property
    def mean(self) -> float:
        """Of the ratios."""
        return float(np.mean([seed.ratio for seed in self.seeds]))

    def percentile(self, percent: float) -> float:
        """Of the ratios, linear between seeds."""
        return float(np.percentile([seed.ratio for seed in self.seeds], percent))

    def worst(self, field: str) -> float:
        """The largest of a figure over the seeds."""
        return float(max(getattr(seed, field) for seed in self.seeds))

    def total(self, field: str) -> int:
        """The sum of a count over the seeds."""
        return int(sum(getattr(seed, field) for seed in self.seeds))

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "scenario": asdict(self.scenario) | {"sizes": str(self.scenario.sizes)},
            "ratio": {
                "mean": self.mean,
                **{f"p{percent}": self.percentile(percent) for percent in (5, 50, 95)},
            },
            "worst_slowdown": {"policy": self.worst("policy_slowdown"), "baseline": self.worst("baseline_slowdown")},
            "max_completion_time": {
                "policy": self.worst("policy_longest"),
                "baseline": self.worst("baseline_longest"),
            },
            "longest_wait": self.worst("longest_wait"),
            "over_limit": self.total("over_limit"),
            "over_one_queue": self.total("over_one_queue"),
            "excess_one_queue": self.worst("excess_one_queue"),
            "seeds": [asdict(seed) for seed in self.seeds],
        }


def simulate(
    scenario: Scenario | None = None, *, seeds: int | Iterable[int] = 20, settings: Settings | None = None
) -> Comparison:
    """Runs the policy and the baseline on the same jobs, for each seed.

    Args:
        scenario: the default one where none is given.
        seeds: how many, from 0; or which ones.
        settings: of the policy; the default ones where none are given.

    Raises:
        ValueError: no seed.
    """
    scenario, settings = scenario or Scenario(), settings or Settings()
    numbers = range(seeds) if isinstance(seeds, int) else list(seeds)
    if not numbers:
        raise ValueError("a comparison needs at least one seed")
    return Comparison(scenario, tuple(_compare(scenario, seed, settings) for seed in numbers))


def _compare(scenario: Scenario, seed: int, settings: Settings) -> SeedResult:
    workload = draw(scenario, seed)
    baseline = round_robin(workload, scenario.speeds)
    outcome = simulate_policy(workload, scenario.speeds, settings)
    policy = outcome.schedule
    ours, theirs = policy.finished - workload.arrivals, baseline.finished - workload.arrivals
    waits = policy.started - workload.arrivals
    limit = settings.rules.wait_limit
    common = one_queue(workload, scenario.speeds).started - workload.arrivals
    return SeedResult(
        seed=seed,
        ratio=float(theirs.mean() / ours.mean()),
        policy_mean=float(ours.mean()),
        baseline_mean=float(theirs.mean()),
        policy_makespan=float(policy.finished.max()),
        baseline_makespan=float(baseline.finished.max()),
        policy_slowdown=_slowdown(ours, workload),
        baseline_slowdown=_slowdown(theirs, workload),
        policy_longest=float(ours.max()),
        baseline_longest=float(theirs.max()),
        longest_wait=_longest_wait(waits, outcome.in_turn),
        over_limit=int((waits > limit * outcome.in_turn + TOLERANCE).sum()),
        over_one_queue=int((waits > limit * common + TOLERANCE).sum()),
        excess_one_queue=max(0.0, float((waits - limit * common).max())),
        taken_over=outcome.taken_over,
    )


def _slowdown(completion: NDArray[np.float64], workload: Workload) -> float:
    return float((completion / workload.sizes).max())


def _longest_wait(waits: NDArray[np.float64], in_turn: NDArray[np.float64]) -> float:
    """The largest wait by its reference; infinite where a job waited that first come, first served starts at once."""
    waited = waits > TOLERANCE
    if not waited.any():
        return 0.0
    with np.errstate(divide="ignore"):
        return float((waits[waited] / in_turn[waited]).max())

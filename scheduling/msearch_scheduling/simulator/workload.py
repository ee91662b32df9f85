"""What is simulated: when jobs come, how large they are, and what the predictor thinks."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray


class Sizes(StrEnum):
    """Distribution of job sizes, all of mean 1."""

    EXPONENTIAL = "exponential"
    UNIFORM = "uniform"
    LOGNORMAL = "lognormal"
    CONSTANT = "constant"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One setting of the simulator.

    Args:
        sizes: exponential, uniform on (0, 2), lognormal with sigma 1, constant; of mean 1.
        load: share of the agents' time that the jobs need, above 0, below 1 for a queue that does not grow for ever.
            The jobs come as a Poisson process. None: all come at time 0.
        jobs: how many.
        speeds: of the agents, one each.
        sigma: of the lognormal error of estimates; 0 for exact ones.
        users: jobs belong to that many users in turn.
    """

    sizes: Sizes = Sizes.EXPONENTIAL
    load: float | None = 0.8
    jobs: int = 100
    speeds: tuple[float, ...] = (1.0, 1.0, 1.0, 1.0)
    sigma: float = 0.0
    users: int = 1

    def __post_init__(self) -> None:
        if self.load is not None and not 0 < self.load < 10:
            raise ValueError(f"a load of {self.load:g}; it must be above 0 (and below 1 for a stable queue)")
        if self.jobs < 1 or self.users < 1 or not self.speeds:
            raise ValueError("a simulation needs at least one job, one user and one agent")
        if min(self.speeds) <= 0 or not np.isfinite(self.speeds).all():
            raise ValueError(f"speeds {', '.join(f'{speed:g}' for speed in self.speeds)}: each must be above 0")
        if not 0 <= self.sigma <= 5:
            raise ValueError(f"an estimate error of sigma {self.sigma:g}; it must lie in [0, 5]")


@dataclass(frozen=True, slots=True)
class Workload:
    """The jobs of one seed, in order of arrival: arrival times, true sizes, estimates, all float64[n] in seconds."""

    arrivals: NDArray[np.float64]
    sizes: NDArray[np.float64]
    estimates: NDArray[np.float64]
    users: tuple[str, ...]


def draw(scenario: Scenario, seed: int) -> Workload:
    """The jobs of a seed. Settings that differ in the estimates' error alone have the same jobs."""
    generator = np.random.default_rng(seed)
    count = scenario.jobs
    gaps = generator.exponential(1.0, count)
    sizes = _sizes(scenario.sizes, count, generator)
    errors = generator.normal(0.0, 1.0, count)
    arrivals = np.zeros(count) if scenario.load is None else np.cumsum(gaps) / (scenario.load * sum(scenario.speeds))
    users = tuple(f"user-{number % scenario.users}" for number in range(count))
    return Workload(arrivals, sizes, sizes * np.exp(scenario.sigma * errors), users)


def _sizes(kind: Sizes, count: int, generator: np.random.Generator) -> NDArray[np.float64]:
    if kind is Sizes.UNIFORM:
        drawn = generator.uniform(0.0, 2.0, count)
    elif kind is Sizes.LOGNORMAL:
        drawn = generator.lognormal(-0.5, 1.0, count)
    elif kind is Sizes.CONSTANT:
        drawn = np.ones(count)
    else:
        drawn = generator.exponential(1.0, count)
    return np.maximum(drawn, 1e-9)

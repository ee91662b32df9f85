"""Which of two configurations is better: one order over all quantities that matter, the preferred one first.

The order is lexicographic, so a configuration that is at least as good in every criterion and better in one always
comes first, and relaxing a limit can only add configurations above the old answer. What is not known counts as worst.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from msearch_deployment.configurations import ACCURACY, PLACE, REPLICAS, USD_PER_HOUR, Configuration


@dataclass(frozen=True, slots=True)
class Criterion:
    """A quantity that decides, and whether less of it is better."""

    quantity: str
    lower_is_better: bool

    def cost(self, configuration: Configuration) -> float:
        """For choosing the smallest; infinite where it is not known."""
        value = float(configuration.candidate.place) if self.quantity == PLACE else configuration.value(self.quantity)
        if value is None:
            return math.inf
        return value if self.lower_is_better else -value


CRITERIA = (
    Criterion(ACCURACY, False),
    Criterion(USD_PER_HOUR, True),
    Criterion(REPLICAS, True),
    Criterion("p99_ms", True),
    Criterion("cost_per_1k", True),
    Criterion("energy_j", True),
    Criterion("peak_memory_bytes", True),
    Criterion(PLACE, True),
)
"""In the order in which they decide where nothing else is preferred."""

PREFERENCES = tuple(criterion.quantity for criterion in CRITERIA)


def criteria(prefer: str) -> tuple[Criterion, ...]:
    """All criteria, the preferred one first. Raises ValueError if there is no such criterion."""
    first = [criterion for criterion in CRITERIA if criterion.quantity == prefer]
    if not first:
        raise ValueError(f"cannot prefer {prefer!r}; choose one of {', '.join(PREFERENCES)}")
    return (*first, *(criterion for criterion in CRITERIA if criterion.quantity != prefer))


def merit(configuration: Configuration, prefer: str) -> tuple[float, ...]:
    """For choosing the smallest: the costs in order. Equal merits are equally good."""
    return tuple(criterion.cost(configuration) for criterion in criteria(prefer))


def order_key(configuration: Configuration, prefer: str) -> tuple[tuple[float, ...], bool, tuple[str, ...]]:
    """For sorting: by merit, measured before predicted, then by name, so that the order never depends on chance."""
    names = (configuration.candidate.name, *configuration.key)
    return merit(configuration, prefer), configuration.measured.predicted, names


def dominates(first: Configuration, second: Configuration) -> bool:
    """Whether the first is at least as good in every criterion and better in one."""
    pairs = [(criterion.cost(first), criterion.cost(second)) for criterion in CRITERIA]
    return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)

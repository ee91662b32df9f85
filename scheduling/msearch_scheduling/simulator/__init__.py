"""The simulator: the same policy code, driven by events instead of agents."""

from msearch_scheduling.simulator.comparison import Comparison, SeedResult, simulate
from msearch_scheduling.simulator.engine import Outcome, Settings, simulate_policy
from msearch_scheduling.simulator.workload import Scenario, Sizes, Workload, draw

__all__ = [
    "Comparison",
    "Outcome",
    "Scenario",
    "SeedResult",
    "Settings",
    "Sizes",
    "Workload",
    "draw",
    "simulate",
    "simulate_policy",
]

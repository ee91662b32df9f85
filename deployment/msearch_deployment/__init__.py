"""How to deploy a model: which configuration meets the limits, what it costs, how it is served. Pure.

docs/recommending.md and docs/costs.md describe it.
"""

from __future__ import annotations

from msearch_deployment.candidates import Candidate, Figure, Measured, Origin
from msearch_deployment.capacity import Capacity
from msearch_deployment.choosing import PREFERENCES, dominates, merit
from msearch_deployment.configurations import Configuration, Wish
from msearch_deployment.limits import Limit
from msearch_deployment.recommending import Change, Nearest, Recommendation, Untold, recommend

__all__ = [
    "PREFERENCES",
    "Candidate",
    "Capacity",
    "Change",
    "Configuration",
    "Figure",
    "Limit",
    "Measured",
    "Nearest",
    "Origin",
    "Recommendation",
    "Untold",
    "Wish",
    "dominates",
    "merit",
    "recommend",
]

"""Prices, grids and data centres: tables that people edit, and what follows from them. docs/costs.md."""

from __future__ import annotations

from msearch_deployment.prices.checking import SECTIONS, Problem, check
from msearch_deployment.prices.formulas import co2_g_per_1k, cost_per_1k, explain_co2, explain_cost
from msearch_deployment.prices.repricing import Priced, as_stored, reprice, reprice_profile
from msearch_deployment.prices.tables import (
    SHIPPED,
    Grid,
    Price,
    Prices,
    Unpriced,
    find_hourly_price,
    find_identity,
    read_prices,
)

__all__ = [
    "SECTIONS",
    "SHIPPED",
    "Grid",
    "Price",
    "Priced",
    "Prices",
    "Problem",
    "Unpriced",
    "as_stored",
    "check",
    "co2_g_per_1k",
    "cost_per_1k",
    "explain_co2",
    "explain_cost",
    "find_hourly_price",
    "find_identity",
    "read_prices",
    "reprice",
    "reprice_profile",
]

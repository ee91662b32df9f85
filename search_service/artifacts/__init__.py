"""Reads uploaded artifacts without running them, and checks them against their cards."""

from search_service.artifacts.base import Inspection
from search_service.artifacts.inspection import inspect

__all__ = ["Inspection", "inspect"]

"""Analyses, one file each, found by discovery: every module beside this one with an `ANALYSIS`, and entry points in the
group "msearch.analyses".

Modules that begin with an underscore hold what several analyses share.
"""

from __future__ import annotations

import importlib
import pkgutil
from difflib import get_close_matches
from functools import cache
from importlib.metadata import entry_points

from msearch_analysis.analyses._definition import Analysis, Findings, Options
from msearch_analysis.errors import AnalysisError

__all__ = ["Analysis", "Findings", "Options", "find_analyses", "find_analysis"]


@cache
def find_analyses() -> dict[str, Analysis]:
    """All analyses by name, in the order in which a report shows them."""
    names = [module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_")]
    found: list[Analysis] = [importlib.import_module(f"{__name__}.{name}").ANALYSIS for name in names]
    found += [entry.load() for entry in entry_points(group="msearch.analyses")]
    return {analysis.name: analysis for analysis in sorted(found, key=lambda one: (one.place, one.name))}


def find_analysis(name: str) -> Analysis:
    """The analysis of that name.

    Raises:
        AnalysisError: there is none; the message names the nearest.
    """
    found = find_analyses()
    if name not in found:
        near = get_close_matches(name, found, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(found)}"
        raise AnalysisError(f"there is no analysis {name!r}", hint=hint)
    return found[name]

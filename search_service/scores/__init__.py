"""Scores of a target dataset against source datasets, one file each, found by discovery.

A score is a module of this package with a module-level `SCORE`, or an entry point of the group "msearch.scores" that
names such an object. Modules that begin with an underscore hold what several scores share.
"""

from __future__ import annotations

import importlib
import pkgutil
from importlib import metadata

from search_service.domain.ranking import Score

ENTRY_POINT_GROUP = "msearch.scores"

__all__ = ["ENTRY_POINT_GROUP", "find_scores"]


def find_scores() -> dict[str, Score]:
    """All scores by name, in the order of their names.

    Raises:
        RuntimeError: a plug-in cannot be loaded, or two scores have the same name. The message names the culprit.
    """
    found: dict[str, Score] = {}
    origins: dict[str, str] = {}
    for origin, score in [*_own_scores(), *_plugged_in_scores()]:
        name = score.info.name
        if name in found:
            raise RuntimeError(f"two scores are called {name!r}: {origins[name]} and {origin}; rename or remove one")
        found[name], origins[name] = score, origin
    return dict(sorted(found.items()))


def _own_scores() -> list[tuple[str, Score]]:
    names = [f"{__name__}.{module.name}" for module in pkgutil.iter_modules(__path__) if module.name[0] != "_"]
    return [(name, importlib.import_module(name).SCORE) for name in names]


def _plugged_in_scores() -> list[tuple[str, Score]]:
    scores = []
    for point in metadata.entry_points(group=ENTRY_POINT_GROUP):
        try:
            scores.append((point.value, point.load()))
        except Exception as error:
            raise RuntimeError(f"the score plug-in {point.name} ({point.value}) cannot be loaded: {error}") from error
    return scores

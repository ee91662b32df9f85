"""Scores of how a model behaves on a target, one file each, found by discovery.

A score is a module of this package with a module-level `SCORE`. Modules that begin with an underscore hold what several
scores share.
"""

from __future__ import annotations

import importlib
import pkgutil

from msearch_accuracy.behaviour._definition import Behaviour, BehaviourInfo, BehaviourScore, BehaviourValue

__all__ = ["Behaviour", "BehaviourInfo", "BehaviourScore", "BehaviourValue", "find_behaviour_scores"]


def find_behaviour_scores() -> dict[str, BehaviourScore]:
    """All scores by name, in the order of their names."""
    names = [module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_")]
    scores: list[BehaviourScore] = [importlib.import_module(f"{__name__}.{name}").SCORE for name in names]
    return {score.info.name: score for score in sorted(scores, key=lambda score: score.info.name)}

"""What a ranking is ordered by: named scores with weights."""

from __future__ import annotations

import difflib
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from search_service.domain.errors import InvalidArgument, Reason
from search_service.usecases.fields import invalid

ADAPTIVITY = "adaptivity"
MOST_SCORES = 64


@dataclass(frozen=True, slots=True)
class WeightedScore:
    """A score by name, with a weight above 0."""

    score: str
    weight: float = 1.0


def parse_order(text: str) -> tuple[WeightedScore, ...]:
    """Reads "adaptivity" or "adaptivity:2,nearest:1". Raises InvalidArgument."""
    order = []
    for part in text.split(","):
        name, _, weight = part.strip().partition(":")
        try:
            order.append(WeightedScore(name.strip(), float(weight) if weight else 1.0))
        except ValueError:
            raise invalid("order", f"{part.strip()!r} must read score or score:weight") from None
    return tuple(order)


def check_order(order: Sequence[WeightedScore], scores: Collection[str], path: str) -> tuple[WeightedScore, ...]:
    """Raises InvalidArgument: UNKNOWN_SCORE, or a weight that is not above 0, or a score that stands twice."""
    for position, part in enumerate(order):
        check_score(part.score, scores, f"{path}[{position}].score")
        if not (math.isfinite(part.weight) and part.weight > 0):
            raise invalid(f"{path}[{position}].weight", f"must be a finite number above 0, not {part.weight}")
    if len({part.score for part in order}) != len(order):
        raise invalid(path, "names a score twice")
    return tuple(order)


def check_score(name: str, scores: Collection[str], path: str) -> str:
    """Raises InvalidArgument (UNKNOWN_SCORE) with the nearest known names."""
    if name not in scores:
        near = difflib.get_close_matches(name, scores, n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else f"known are {', '.join(sorted(scores))}"
        problem = f"there is no score {name!r}; {hint}"
        raise InvalidArgument(f"{path}: {problem}", Reason.UNKNOWN_SCORE, [(path, problem)])
    return name

"""Arrival patterns by name: every module beside this one with an `ARRIVAL`, and entry points "msearch.arrivals"."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache

from profiler_agent.errors import InvalidLoad
from profiler_agent.loadgen.arrivals.base import Arrival, Parameter, Wish
from profiler_agent.plugins import find_plugins

__all__ = ["Arrival", "Parameter", "Wish", "check_parameters", "find_arrival", "find_arrivals"]


@cache
def find_arrivals() -> dict[str, Arrival]:
    """All patterns by name."""
    return find_plugins(__name__, __path__, "ARRIVAL", "msearch.arrivals")


def find_arrival(name: str) -> Arrival:
    """The pattern of that name. Raises InvalidLoad, naming the nearest."""
    found = find_arrivals()
    if name not in found:
        near = get_close_matches(name, found, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(found)}"
        raise InvalidLoad(f"there is no arrival pattern {name!r}; {hint}")
    return found[name]


def check_parameters(arrival: Arrival, given: Mapping[str, float]) -> dict[str, float]:
    """Every parameter of the pattern with its value. Raises InvalidLoad for an unknown one or one out of range."""
    for name, value in given.items():
        known = arrival.parameters.get(name)
        if known is None:
            near = get_close_matches(name, arrival.parameters, n=1)
            listed = ", ".join(arrival.parameters) or "none"
            hint = f"did you mean {near[0]}?" if near else f"it has {listed}"
            raise InvalidLoad(f"the arrival pattern {arrival.name} has no parameter {name!r}; {hint}")
        if not known.lowest <= value <= known.highest or (known.whole and value != int(value)):
            whole = "a whole number " if known.whole else ""
            limits = f"{whole}from {known.lowest:g} to {known.highest:g}"
            raise InvalidLoad(
                f"{name} of the arrival pattern {arrival.name} ({known.meaning}) must be {limits}, not {value:g}"
            )
    return {name: given.get(name, parameter.default) for name, parameter in arrival.parameters.items()}

"""The loads of a benchmark file: texts as everywhere in msearch, or a mapping whose lists make a grid of them.

A load leaves this package as its text (docs/load.md); whether it can be is for the service to say, which reads it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from msearch_card.errors import Problems
from msearch_card.fields import Part
from msearch_experiments.fields import Count, NotNegative, OneOrMore, Positive, Word

MOST_ARRIVALS = 100_000
_WITHOUT_PARAMETERS = ("poisson", "constant", "trace")
_NUMBERED = {"server": "rate_per_s", "multi_stream": "streams", "concurrency": "streams", "find_peak": "p99_limit_ms"}


@dataclass(frozen=True, slots=True, order=True)
class LoadPoint:
    """One load: its text, and the arrival times in seconds of a trace."""

    text: str
    trace_s: tuple[float, ...] = ()


class Loads(Part):
    """A load by its text, or loads of one scenario of which every list makes a grid."""

    text: Annotated[str, Field(min_length=1, max_length=500)] | None = Field(
        default=None, description='Such as "server:100"; a plain string means the same.'
    )
    scenario: Literal["single_stream", "multi_stream", "server", "offline", "concurrency", "find_peak"] | None = None
    rate_per_s: OneOrMore[Positive] | None = Field(default=None, description="Queries a second, for server.")
    streams: OneOrMore[Count] | None = Field(
        default=None, description="Samples a query (multi_stream), or clients (concurrency)."
    )
    p99_limit_ms: OneOrMore[Positive] | None = Field(
        default=None, description="For find_peak what the p99 must meet, for others what goodput counts."
    )
    arrival: OneOrMore[Word] = Field(default=("poisson",), description="Arrival patterns, for server.")
    parameters: dict[str, float] = Field(
        default_factory=dict, description="Of the arrival patterns that take any, e.g. cv of gamma."
    )
    trace_s: Annotated[tuple[NotNegative, ...], Field(max_length=MOST_ARRIVALS)] = Field(
        default=(), description="Arrival times in seconds from the start, ascending; for the pattern trace."
    )

    @model_validator(mode="after")
    def _consistent(self) -> Loads:
        if self.text is not None:
            others = self.model_fields_set - {"text"}
            if others:
                raise Problems([(name, "and text exclude each other") for name in sorted(others)])
            return self
        if self.scenario is None:
            raise Problems([("scenario", "is required")])
        needed = _NUMBERED.get(self.scenario)
        problems: list[tuple[str, str]] = []
        if needed is not None and getattr(self, needed) is None and self.arrival != ("trace",):
            problems.append((needed, f"is required for {self.scenario}"))
        problems += [
            (name, f"does not belong to {self.scenario}")
            for name in ("rate_per_s", "streams")
            if getattr(self, name) is not None and name != needed
        ]
        if self.scenario != "server":
            problems += [
                (name, "belongs to the scenario server")
                for name, given in (
                    ("arrival", self.arrival != ("poisson",)),
                    ("parameters", self.parameters),
                    ("trace_s", self.trace_s),
                )
                if given
            ]
        if ("trace" in self.arrival) != bool(self.trace_s):
            problems.append(("trace_s", "and the arrival pattern trace need each other"))
        if problems:
            raise Problems(problems)
        return self

    @property
    def called(self) -> str:
        """The load, or the scenario of the loads, for a message."""
        return self.text or str(self.scenario)

    @property
    def count(self) -> int:
        """How many loads these are."""
        lists = (self.rate_per_s, self.streams, self.p99_limit_ms, self.arrival)
        return math.prod(len(values) for values in lists if values)

    def points(self) -> Iterator[LoadPoint]:
        """Each of them."""
        if self.text is not None:
            yield LoadPoint(self.text)
            return
        limits: tuple[float | None, ...] = (None,) if self.p99_limit_ms is None else self.p99_limit_ms
        if self.scenario == "find_peak":
            yield from (LoadPoint(f"find_peak:{limit:g}") for limit in limits if limit is not None)
            return
        counted = self.scenario in _NUMBERED
        numbers: tuple[float, ...] = (self.rate_per_s if self.scenario == "server" else self.streams) or (0.0,)
        for number, arrival, limit in product(numbers, self.arrival, limits):
            parts = [f"{self.scenario}:{number:g}" if counted else str(self.scenario)]
            if arrival != "poisson":
                parts.append(arrival)
            if arrival not in _WITHOUT_PARAMETERS:
                parts += [f"{name}={value:g}" for name, value in sorted(self.parameters.items())]
            if limit is not None:
                parts.append(f"limit_ms={limit:g}")
            yield LoadPoint(",".join(parts), self.trace_s if arrival == "trace" else ())


def _named(value: Any) -> Any:
    return {"text": value} if isinstance(value, str) else value


Load = Annotated[Loads, BeforeValidator(_named, json_schema_input_type=str | Loads)]

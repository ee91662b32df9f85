"""Loads: how queries are driven at a model, and their short text ("server:100"), which is the same everywhere.

    single_stream | multi_stream:8 | offline | concurrency:4 | server:100 | server:100,gamma,cv=2 | find_peak:20

For server the number is queries a second, for find_peak the limit on the p99 in ms. Batching in front of the model
appends ",batch=8,wait_ms=2"; pre- and post-processing within the requests ",pipeline=1"; a simulated network (not for
offline) ",rtt_ms=40,up_mbit=10,down_mbit=30"; a p99 limit (for goodput) ",limit_ms=20".
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from msearch_client._errors import LocalError
from msearch_client._records import Record

DEFAULT_ARRIVAL = "poisson"
TRACE = "trace"
HINT = (
    "for example single_stream, multi_stream:8, offline, concurrency:4, server:100, server:100,gamma,cv=2, "
    "find_peak:20; batching adds ,batch=8,wait_ms=2"
)

_NETWORK = ("rtt_ms", "up_mbit", "down_mbit")
_OF_THE_FRONT = ("batch", "wait_ms", "pipeline", "limit_ms")
_NAME = re.compile(r"[a-z][a-z0-9_]*")


class Scenario(StrEnum):
    """How load is driven at a compiled model."""

    SINGLE_STREAM = "single_stream"
    MULTI_STREAM = "multi_stream"
    SERVER = "server"
    OFFLINE = "offline"
    CONCURRENCY = "concurrency"
    FIND_PEAK = "find_peak"


_NUMBERED = {
    Scenario.MULTI_STREAM: "samples a query",
    Scenario.CONCURRENCY: "clients",
    Scenario.SERVER: "queries a second",
    Scenario.FIND_PEAK: "limit on the p99 in ms",
}


@dataclass(frozen=True, slots=True)
class Batching(Record):
    """Joins queries into batches of at most `max_batch`; the first of a batch waits at most `max_wait_ms`."""

    max_batch: int
    max_wait_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Network(Record):
    """A simulated network between clients and model; a bandwidth of 0 is unlimited."""

    round_trip_ms: float = 0.0
    up_mbit_per_s: float = 0.0
    down_mbit_per_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Load(Record):
    """The load of a run; `str(load)` is its short text and `Load.parse` reads it.

    `rate_per_s` belongs to server; `streams` are samples a query (multi_stream) or clients (concurrency); `arrival` and
    its `parameters` say when the queries of server come; `trace_s` are arrival times in seconds for the arrival
    "trace"; `p99_limit_ms` is what find_peak must meet and what goodput counts elsewhere, 0 for none; `network` lies
    between clients and model (not for offline); with `pipeline`, requests carry rows, so that pre- and post-processing
    are part of them.
    """

    scenario: Scenario
    rate_per_s: float = 0.0
    streams: int = 1
    arrival: str = DEFAULT_ARRIVAL
    parameters: Mapping[str, float] = field(default_factory=dict)
    trace_s: tuple[float, ...] = ()
    batching: Batching | None = None
    p99_limit_ms: float = 0.0
    network: Network | None = None
    pipeline: bool = False

    @classmethod
    def parse(cls, text: str) -> Load:
        """The load of a short text.

        Raises:
            LocalError: the text is not of that form.
        """
        head, *rest = [part.strip() for part in text.split(",")]
        name, colon, number = head.partition(":")
        try:
            scenario = Scenario(name.strip().lower().replace("-", "_"))
        except ValueError:
            raise _wrong(text, f"there is no scenario {name!r}", f"known: {', '.join(Scenario)}") from None
        if scenario in _NUMBERED and not number.strip():
            raise _wrong(text, f"{scenario} needs the {_NUMBERED[scenario]}, as in {scenario}:20")
        if scenario not in _NUMBERED and colon:
            raise _wrong(text, f"{scenario} takes no number")
        arrival, options = DEFAULT_ARRIVAL, rest
        if rest and "=" not in rest[0]:
            arrival, options = rest[0], rest[1:]
            if scenario is not Scenario.SERVER or not _NAME.fullmatch(arrival):
                raise _wrong(text, f"{arrival!r} is not of the form name=number")
        values = _read_options(text, options)
        batch, wait, pipeline, limit = (values.pop(key, 0.0) for key in _OF_THE_FRONT)
        network = Network(*(values.pop(key, 0.0) for key in _NETWORK))
        if network != Network() and scenario is Scenario.OFFLINE:
            raise _wrong(text, "offline takes no network, since all of its samples lie at the model from the start")
        if pipeline not in (0.0, 1.0):
            raise _wrong(text, "pipeline must be 1, or be left out")
        if values and scenario is not Scenario.SERVER:
            raise _wrong(text, f"{scenario} takes no {', '.join(values)}")
        if wait and not batch:
            raise _wrong(text, "wait_ms needs batch")
        amount = _read_number(text, number) if scenario in _NUMBERED else 0.0
        if scenario in _NUMBERED and (amount < 0 or (amount == 0 and arrival != TRACE)):
            raise _wrong(text, f"the {_NUMBERED[scenario]} must be above 0")
        if scenario is Scenario.FIND_PEAK and limit:
            raise _wrong(text, "find_peak has its limit after the colon already")
        counted = scenario in (Scenario.MULTI_STREAM, Scenario.CONCURRENCY)
        if (counted and amount != int(amount)) or batch != int(batch):
            raise _wrong(text, f"{'batch' if batch != int(batch) else _NUMBERED[scenario]} must be a whole number")
        return cls(
            scenario=scenario,
            rate_per_s=amount if scenario is Scenario.SERVER else 0.0,
            streams=int(amount) if counted else 1,
            arrival=arrival,
            parameters=dict(sorted(values.items())),
            batching=Batching(int(batch), wait) if batch > 1 else None,
            p99_limit_ms=amount if scenario is Scenario.FIND_PEAK else limit,
            network=None if network == Network() else network,
            pipeline=pipeline == 1.0,
        )

    def __str__(self) -> str:
        number = {
            Scenario.MULTI_STREAM: self.streams,
            Scenario.CONCURRENCY: self.streams,
            Scenario.SERVER: self.rate_per_s,
            Scenario.FIND_PEAK: self.p99_limit_ms,
        }.get(self.scenario)
        parts = [self.scenario.value if number is None else f"{self.scenario.value}:{number:g}"]
        if self.scenario is Scenario.SERVER and (self.arrival != DEFAULT_ARRIVAL or self.parameters):
            parts.append(self.arrival)
            parts += [f"{name}={value:g}" for name, value in sorted(self.parameters.items())]
        if self.batching is not None and self.batching.max_batch > 1:
            # As it travels, in whole nanoseconds: the service and the agent write the text of that.
            wait_ms = round(self.batching.max_wait_ms / 1e3 * 1e9) / 1e6
            parts += [f"batch={self.batching.max_batch}", f"wait_ms={wait_ms:g}"]
        if self.pipeline:
            parts.append("pipeline=1")
        if self.network is not None:
            amounts = (self.network.round_trip_ms, self.network.up_mbit_per_s, self.network.down_mbit_per_s)
            parts += [f"{name}={amount:g}" for name, amount in zip(_NETWORK, amounts, strict=True) if amount]
        if self.p99_limit_ms and self.scenario is not Scenario.FIND_PEAK:
            parts.append(f"limit_ms={self.p99_limit_ms:g}")
        return ",".join(parts)


def as_load(load: str | Load) -> Load:
    """A load from its text, or as it is.

    Raises:
        LocalError: the text is not that of a load.
    """
    return Load.parse(load) if isinstance(load, str) else load


def as_loads(loads: str | Load | Iterable[str | Load]) -> tuple[Load, ...]:
    """Loads from one or several, each a text or a load; each distinct one once.

    Raises:
        LocalError: a text is not that of a load, or there are none.
    """
    distinct: list[Load] = []
    for item in [loads] if isinstance(loads, (str, Load)) else loads:
        load = as_load(item)
        # Not a dictionary's keys: the parameters of a load are no hashable value.
        if load not in distinct:
            distinct.append(load)
    if not distinct:
        raise LocalError("no load is given", hint=HINT)
    return tuple(distinct)


def _read_options(text: str, options: list[str]) -> dict[str, float]:
    values: dict[str, float] = {}
    for option in options:
        name, equals, number = (part.strip() for part in option.partition("="))
        if not equals or not _NAME.fullmatch(name):
            raise _wrong(text, f"{option!r} is not of the form name=number")
        if name in values:
            raise _wrong(text, f"{name} is given twice")
        values[name] = _read_number(text, number)
        if name in (*_OF_THE_FRONT, *_NETWORK) and values[name] < 0:
            raise _wrong(text, f"{name} must not be below 0")
    return values


def _read_number(text: str, number: str) -> float:
    try:
        value = float(number)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise _wrong(text, f"{number.strip()!r} is not a number")
    return value


def _wrong(text: str, problem: str, hint: str = HINT) -> LocalError:
    return LocalError(f"the load {text!r} is wrong: {problem}", hint=hint)

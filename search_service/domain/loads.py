"""The short, canonical text of a load, and which loads can be.

    single_stream | multi_stream:STREAMS | offline | concurrency:CLIENTS | server:RATE[,ARRIVAL[,PARAMETER=NUMBER]...] |
    find_peak:P99_LIMIT_MS, each followed by [,batch=MOST,wait_ms=NUMBER][,pipeline=1][,limit_ms=NUMBER]; all but
    offline also by [,rtt_ms=NUMBER][,up_mbit=NUMBER][,down_mbit=NUMBER] before the limit

Equal loads have equal texts: parameters are sorted by name, numbers stand as %g, the arrival pattern poisson is left
out. The seed and the times of a trace are no part of the text.
"""

from __future__ import annotations

import math
import re
from difflib import get_close_matches
from itertools import pairwise

from search_service.domain.errors import InvalidArgument
from search_service.domain.profiling import Batching, Load, Network, Scenario

LARGEST_RATE_PER_S = 1e6
MOST_STREAMS = 10_000
MOST_ARRIVALS = 1_000_000
MOST_PARAMETERS = 20
LARGEST_LIMIT_MS = 3_600_000.0
LARGEST_BATCH = 65_536
LONGEST_BATCH_WAIT_NS = 60 * 10**9
LONGEST_ROUND_TRIP_MS = 60_000.0
LARGEST_BANDWIDTH_MBIT_PER_S = 1e6
ARRIVALS = ("poisson", "constant", "gamma", "burst", "spike", "diurnal", "trace", "progressive")
"""Arrival patterns of the server scenario; what their parameters mean is the agent's to know."""

_PATTERN = re.compile(r"[a-z][a-z0-9_]{0,39}")

_COUNTED = {Scenario.MULTI_STREAM: "samples a query", Scenario.CONCURRENCY: "clients"}
_NETWORK = {"rtt_ms": "round_trip_ms", "up_mbit": "up_mbit_per_s", "down_mbit": "down_mbit_per_s"}
_OF_THE_FRONT = ("batch", "wait_ms", "pipeline", "limit_ms", *_NETWORK)


def format_load(load: Load) -> str:
    """The text of a load."""
    parts = [load.scenario.value]
    if load.scenario in _COUNTED:
        parts[0] += f":{load.streams}"
    elif load.scenario is Scenario.FIND_PEAK:
        parts[0] += f":{load.p99_limit_ms:g}"
    elif load.scenario is Scenario.SERVER:
        parts[0] += f":{load.rate_per_s:g}"
        if load.arrival != "poisson" or load.parameters:
            parts.append(load.arrival)
        parts += [f"{name}={value:g}" for name, value in sorted(load.parameters.items())]
    if load.batching is not None and load.batching.max_batch > 1:
        parts.append(f"batch={load.batching.max_batch},wait_ms={load.batching.max_wait_ns / 1e6:g}")
    if load.pipeline:
        parts.append("pipeline=1")
    if load.network is not None:
        values = ((name, getattr(load.network, field)) for name, field in _NETWORK.items())
        parts += [f"{name}={value:g}" for name, value in values if value]
    if load.p99_limit_ms and load.scenario is not Scenario.FIND_PEAK:
        parts.append(f"limit_ms={load.p99_limit_ms:g}")
    return ",".join(parts)


def parse_load(text: str, path: str = "load", trace_s: tuple[float, ...] = ()) -> Load:
    """The load of a text, with the arrival times of a trace, which are no part of it.

    Raises InvalidArgument, also for a load that cannot be and for a trace without times.
    """
    head, *rest = text.split(",")
    name, colon, number = head.partition(":")
    try:
        scenario = Scenario(name)
    except ValueError:
        raise _invalid(path, f"{name!r} is no scenario; known are {', '.join(Scenario)}") from None
    if bool(colon) == (scenario in (Scenario.SINGLE_STREAM, Scenario.OFFLINE)):
        raise _invalid(path, f"{name} takes {'no number' if colon else 'a number, as in ' + _EXAMPLES[scenario]}")
    arrival = rest.pop(0) if scenario is Scenario.SERVER and rest and "=" not in rest[0] else "poisson"
    settings: dict[str, float] = {}
    for part in rest:
        key, equals, value = part.partition("=")
        if not (key and equals) or key in settings:
            raise _invalid(path, f"{part!r} must read NAME=NUMBER, each name once")
        settings[key] = _number(path, value)
    if scenario is Scenario.FIND_PEAK and "limit_ms" in settings:
        raise _invalid(path, "find_peak has its limit after the colon already")
    load = Load(
        scenario=scenario,
        rate_per_s=_number(path, number) if scenario is Scenario.SERVER else 0.0,
        streams=_whole(path, number) if scenario in _COUNTED else 1,
        arrival=arrival,
        parameters={key: value for key, value in settings.items() if key not in _OF_THE_FRONT},
        trace_s=trace_s,
        batching=_read_batching(path, settings),
        p99_limit_ms=_number(path, number) if scenario is Scenario.FIND_PEAK else settings.get("limit_ms", 0.0),
        network=Network(**{field: settings[name] for name, field in _NETWORK.items() if name in settings}),
        pipeline=_read_pipeline(path, settings),
    )
    return check_load(load, path)


def check_load(load: Load, path: str) -> Load:
    """The load in its canonical form. Raises InvalidArgument for one that cannot be, naming the field."""
    scenario = load.scenario
    streams = 1
    if scenario in _COUNTED:
        streams = load.streams
        if not 1 <= streams <= MOST_STREAMS:
            raise _invalid(f"{path}.streams", f"must be from 1 to {MOST_STREAMS} {_COUNTED[scenario]}, not {streams}")
    if scenario is Scenario.SERVER:
        _check_arrivals(load, path)
    elif load.trace_s or load.parameters or load.arrival not in ("", "poisson"):
        raise _invalid(f"{path}.arrival", f"arrival patterns belong to the scenario server, not to {scenario}")
    if not (math.isfinite(load.p99_limit_ms) and 0 <= load.p99_limit_ms <= LARGEST_LIMIT_MS):
        raise _invalid(f"{path}.p99_limit_ms", f"must be from 0 to {LARGEST_LIMIT_MS:g} ms, not {load.p99_limit_ms:g}")
    if scenario is Scenario.FIND_PEAK and not load.p99_limit_ms:
        raise _invalid(f"{path}.p99_limit_ms", "find_peak needs the p99 latency to stay within, in ms, above 0")
    if scenario is Scenario.FIND_PEAK and not (
        math.isfinite(load.rate_per_s) and 0 <= load.rate_per_s <= LARGEST_RATE_PER_S
    ):
        raise _invalid(f"{path}.rate_per_s", f"the rate to begin with must be from 0 to {LARGEST_RATE_PER_S:g}")
    return Load(
        scenario=scenario,
        rate_per_s=load.rate_per_s if scenario in (Scenario.SERVER, Scenario.FIND_PEAK) else 0.0,
        streams=streams,
        arrival=load.arrival or "poisson",
        parameters=dict(sorted(load.parameters.items())),
        trace_s=load.trace_s,
        batching=_check_batching(load.batching, path),
        p99_limit_ms=load.p99_limit_ms,
        network=_check_network(load, path),
        pipeline=load.pipeline,
    )


def _check_arrivals(load: Load, path: str) -> None:
    if not (math.isfinite(load.rate_per_s) and load.rate_per_s > 0) and load.arrival != "trace":
        raise _invalid(f"{path}.rate_per_s", f"must be a number of queries a second above 0, not {load.rate_per_s:g}")
    if not load.rate_per_s <= LARGEST_RATE_PER_S or load.rate_per_s < 0:
        raise _invalid(
            f"{path}.rate_per_s", f"{load.rate_per_s:g} queries a second is impossible, at most {LARGEST_RATE_PER_S:g}"
        )
    if load.arrival and load.arrival not in ARRIVALS:
        # An agent may have patterns of its own; what looks like a slip is refused here, the rest is the agent's to say.
        near = get_close_matches(load.arrival, ARRIVALS, n=1, cutoff=0.7)
        if near or not _PATTERN.fullmatch(load.arrival):
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(ARRIVALS)}"
            raise _invalid(f"{path}.arrival", f"{load.arrival!r} is no arrival pattern; {hint}")
    if len(load.parameters) > MOST_PARAMETERS:
        raise _invalid(f"{path}.parameters", f"at most {MOST_PARAMETERS}, not {len(load.parameters)}")
    for name, value in load.parameters.items():
        if not (name.isidentifier() and name.isascii() and len(name) <= 40) or name in _OF_THE_FRONT:
            raise _invalid(f"{path}.parameters", f"{name!r} is no name of a parameter")
        if not math.isfinite(value):
            raise _invalid(f"{path}.parameters", f"{name} must be a finite number")
    if (load.arrival == "trace") != bool(load.trace_s):
        problem = "the pattern trace needs arrival times" if not load.trace_s else "only the pattern trace takes times"
        raise _invalid(f"{path}.trace_s", problem)
    if len(load.trace_s) > MOST_ARRIVALS:
        raise _invalid(f"{path}.trace_s", f"at most {MOST_ARRIVALS} arrivals, not {len(load.trace_s)}")
    times = (0.0, *load.trace_s)
    if not all(math.isfinite(then) and now <= then for now, then in pairwise(times)):
        raise _invalid(f"{path}.trace_s", "must be finite seconds from the start, ascending from 0 or above")


def _check_batching(batching: Batching | None, path: str) -> Batching | None:
    if batching is None or batching.max_batch in (0, 1):
        return None
    if not 0 <= batching.max_batch <= LARGEST_BATCH:
        raise _invalid(f"{path}.batching.max_batch", f"must be from 0 to {LARGEST_BATCH}, not {batching.max_batch}")
    if not 0 <= batching.max_wait_ns <= LONGEST_BATCH_WAIT_NS:
        raise _invalid(f"{path}.batching.max_wait", "must be from 0 to 60 s")
    return batching


def _check_network(load: Load, path: str) -> Network | None:
    network = load.network
    if network is None or network == Network():
        return None
    if load.scenario is Scenario.OFFLINE:
        raise _invalid(
            f"{path}.network",
            "offline takes no network, since all of its samples lie at the model from the start: leave it out, or "
            "measure concurrency",
        )
    largest = {"round_trip_ms": LONGEST_ROUND_TRIP_MS}
    for field in _NETWORK.values():
        value, most = getattr(network, field), largest.get(field, LARGEST_BANDWIDTH_MBIT_PER_S)
        if not 0 <= value <= most:
            raise _invalid(f"{path}.network.{field}", f"must be from 0 to {most:g}, not {value:g}")
    return network


def _read_batching(path: str, settings: dict[str, float]) -> Batching | None:
    if "batch" not in settings:
        if "wait_ms" in settings:
            raise _invalid(path, "wait_ms needs batch=NUMBER beside it")
        return None
    if not settings["batch"].is_integer():
        raise _invalid(path, "batch must be a whole number")
    wait_ms = settings.get("wait_ms", 0.0)
    return Batching(max_batch=int(settings["batch"]), max_wait_ns=round(wait_ms * 1e6))


def _read_pipeline(path: str, settings: dict[str, float]) -> bool:
    asked = settings.get("pipeline", 0.0)
    if asked not in (0.0, 1.0):
        raise _invalid(path, f"pipeline must be 1, or be left out, not {asked:g}")
    return asked == 1.0


def _number(path: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise _invalid(path, f"{text!r} is not a number") from None
    if not math.isfinite(value):
        raise _invalid(path, f"{text!r} is not a finite number")
    return value


def _whole(path: str, text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 9):
        raise _invalid(path, f"{text!r} is not a whole number above 0")
    return int(text)


_EXAMPLES = {
    Scenario.MULTI_STREAM: "multi_stream:8",
    Scenario.CONCURRENCY: "concurrency:4",
    Scenario.SERVER: "server:100",
    Scenario.FIND_PEAK: "find_peak:20",
}


def _invalid(path: str, problem: str) -> InvalidArgument:
    return InvalidArgument(f"{path}: {problem}", fields=[(path, problem)])

"""The short, canonical text of a load. Equal loads have equal texts; the service and the client write the same.

single_stream | multi_stream:STREAMS | offline | concurrency:CLIENTS | server:RATE[,ARRIVAL[,PARAMETER=NUMBER]...] |
find_peak:P99_LIMIT_MS, each followed by [,batch=MOST,wait_ms=NUMBER][,pipeline=1][,limit_ms=NUMBER]; all but offline
also by [,rtt_ms=NUMBER][,up_mbit=NUMBER][,down_mbit=NUMBER] before the limit
"""

from __future__ import annotations

import math

from profiler_agent.errors import InvalidLoad
from profiler_agent.work import Batching, Load, Network, Scenario

_COUNTED = (Scenario.MULTI_STREAM, Scenario.CONCURRENCY)
_PLAIN = (Scenario.SINGLE_STREAM, Scenario.OFFLINE)
_NETWORK = {"rtt_ms": "round_trip_ms", "up_mbit": "up_mbit_per_s", "down_mbit": "down_mbit_per_s"}
NO_NETWORK_OFFLINE = "offline takes no network, since all of its samples lie at the model from the start"
_OF_THE_FRONT = ("batch", "wait_ms", "pipeline", "limit_ms", *_NETWORK)


def format_load(load: Load) -> str:
    """The text of a load; numbers stand as %g, parameters by name, and the arrival pattern poisson is left out."""
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


def parse_load(text: str) -> Load:
    """The load of a text. What the parameters of an arrival pattern mean is checked when its schedule is drawn.

    Raises:
        InvalidLoad: it is not of that form, or a number cannot be.
    """
    head, *rest = text.split(",")
    name, colon, number = head.partition(":")
    if name not in set(Scenario):
        raise InvalidLoad(f"{name!r} is no scenario; known are {', '.join(Scenario)}")
    scenario = Scenario(name)
    if bool(colon) == (scenario in _PLAIN):
        raise InvalidLoad(f"{name} takes {'no number' if colon else 'a number after a colon'}: {text!r}")
    arrival = rest.pop(0) if scenario is Scenario.SERVER and rest and "=" not in rest[0] else "poisson"
    settings: dict[str, float] = {}
    for part in rest:
        key, equals, value = part.partition("=")
        if not (key and equals) or key in settings:
            raise InvalidLoad(f"{part!r} in {text!r} must read NAME=NUMBER, each name once")
        settings[key] = _number(value, text)
    parameters = {key: value for key, value in settings.items() if key not in _OF_THE_FRONT}
    if parameters and scenario is not Scenario.SERVER:
        raise InvalidLoad(f"{', '.join(parameters)} in {text!r} belong to the scenario server, not to {name}")
    if scenario is Scenario.FIND_PEAK and "limit_ms" in settings:
        raise InvalidLoad(f"find_peak has its limit after the colon already: {text!r}")
    return Load(
        scenario=scenario,
        rate_per_s=_positive(number, text) if scenario is Scenario.SERVER else 0.0,
        streams=_whole(_positive(number, text), text) if scenario in _COUNTED else 1,
        arrival=arrival,
        parameters=parameters,
        batching=_batching(settings, text),
        p99_limit_ms=_positive(number, text) if scenario is Scenario.FIND_PEAK else settings.get("limit_ms", 0.0),
        network=_network(scenario, settings, text),
        pipeline=_pipeline(settings, text),
    )


def _batching(settings: dict[str, float], text: str) -> Batching | None:
    batch, wait_ms = _whole(settings.get("batch", 0.0), text), settings.get("wait_ms", 0.0)
    if "wait_ms" in settings and "batch" not in settings:
        raise InvalidLoad(f"wait_ms in {text!r} needs batch=NUMBER beside it")
    if batch < 0 or wait_ms < 0 or settings.get("limit_ms", 0.0) < 0:
        raise InvalidLoad(f"batch, wait_ms and limit_ms in {text!r} must not be negative")
    return Batching(max_batch=batch, max_wait_ns=round(wait_ms * 1e6)) if batch > 1 else None


def _network(scenario: Scenario, settings: dict[str, float], text: str) -> Network | None:
    network = Network(**{field: settings[name] for name, field in _NETWORK.items() if name in settings})
    if network == Network():
        return None
    if scenario is Scenario.OFFLINE:
        raise InvalidLoad(f"{NO_NETWORK_OFFLINE}: {text!r}")
    if min(network.round_trip_ms, network.up_mbit_per_s, network.down_mbit_per_s) < 0:
        raise InvalidLoad(f"{', '.join(_NETWORK)} in {text!r} must not be negative")
    return network


def _pipeline(settings: dict[str, float], text: str) -> bool:
    asked = settings.get("pipeline", 0.0)
    if asked not in (0.0, 1.0):
        raise InvalidLoad(f"pipeline in {text!r} must be 1, or be left out")
    return asked == 1.0


def _positive(number: str, whole: str) -> float:
    value = _number(number, whole)
    if value <= 0:
        raise InvalidLoad(f"{number!r} in {whole!r} must be above 0")
    return value


def _whole(value: float, whole: str) -> int:
    if value != int(value):
        raise InvalidLoad(f"{value:g} in {whole!r} must be a whole number")
    return int(value)


def _number(text: str, whole: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InvalidLoad(f"{text!r} in {whole!r} is no number")
    return value

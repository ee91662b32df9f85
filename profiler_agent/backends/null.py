"""A target of known service time, without a model: what tests the measuring instrument itself.

Modes, each a script of the time that a call takes:

    constant:1ms                        always; the default
    exponential:1ms,seed=3              drawn from an exponential distribution of that mean
    stall:at=2s,for=3s,service=1ms      1 ms, but nothing is answered between 2 s and 5 s after the first call
    affine:fixed=1ms,each=0.2ms         1 ms a call and 0.2 ms for every sample in it

It sleeps, so it takes next to no CPU. Precision: a call ends at the due time or later, by 5 to 30 µs in the median (a
core that is not busy with others); the kernel's timer slack of 50 µs is lowered to its least for the calling thread,
and the last 60 µs are spent yielding the processor instead of sleeping.
"""

from __future__ import annotations

import ctypes
import math
import re
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from profiler_agent.backends._feeds import check_feed
from profiler_agent.backends.base import CompiledModel, CompileFacts, CompileRequest, Feed, Probe
from profiler_agent.errors import BackendUnavailable
from profiler_agent.work import Precision, TensorSpec

_UNITS_NS = {"ns": 1, "us": 1_000, "ms": 1_000_000, "s": 1_000_000_000}
_YIELD_NS = 60_000
_LONGEST_NS = 3_600_000_000_000
_PR_SET_TIMERSLACK = 29
_PARAMETERS: dict[
    str, dict[str, str | None]
] = {  # names with their defaults; None must be given, and "" is the value right after the colon
    "constant": {"": None},
    "exponential": {"": None, "seed": "1"},
    "stall": {"at": None, "for": None, "service": "1ms"},
    "affine": {"fixed": None, "each": None},
}

_Script = Callable[[int, int], int]
"""Service time in ns of a call, from the time since the first call in ns and the number of samples."""


def parse_mode(mode: str) -> _Script:
    """The script that a mode names.

    Raises:
        BackendUnavailable: there is none of that name, or a parameter is missing, unknown or out of range.
    """
    name, _, rest = (mode or "constant:1ms").partition(":")
    known = _PARAMETERS.get(name)
    if known is None:
        raise BackendUnavailable(f"the backend null has no mode {name!r}; it has {', '.join(_PARAMETERS)}")
    given: dict[str, str] = {}
    for part in filter(None, rest.split(",")):
        key, _, value = part.rpartition("=")
        given[key] = value
    if unknown := given.keys() - known.keys():
        raise BackendUnavailable(f"the mode {name!r} of null has no parameter {min(unknown)!r}; it has {_names(known)}")
    values = {key: given.get(key, default) for key, default in known.items()}
    if any(value is None for value in values.values()):
        raise BackendUnavailable(f"the mode {mode!r} of null lacks a parameter; {name} takes {_names(known)}")
    texts = {key: str(value) for key, value in values.items()}
    if name == "constant":
        service = _time_ns(texts[""])
        return lambda _elapsed, _samples: service
    if name == "exponential":
        return _exponential(_time_ns(texts[""]), texts["seed"])
    if name == "stall":
        at, length, service = (_time_ns(texts[key]) for key in ("at", "for", "service"))
        return lambda elapsed, _samples: max(service, at + length - elapsed) if at <= elapsed < at + length else service
    fixed, each = _time_ns(texts["fixed"]), _time_ns(texts["each"])
    return lambda _elapsed, samples: fixed + each * samples


def _names(known: Mapping[str, object]) -> str:
    return ", ".join(key or "a time" for key in known)


def _time_ns(text: str) -> int:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(ns|us|ms|s)", text)
    value = round(float(found[1]) * _UNITS_NS[found[2]]) if found else -1
    if not 0 <= value <= _LONGEST_NS:
        raise BackendUnavailable(
            f"{text!r} is no time for the backend null; write e.g. 1ms, 250us or 2s, at most 3600s"
        )
    return value


def _exponential(mean_ns: int, seed: str) -> _Script:
    if not seed.isdecimal():
        raise BackendUnavailable(f"the seed {seed!r} of null is no number")
    generator = np.random.default_rng(int(seed))
    guard = threading.Lock()  # several workers may share it

    def draw(_elapsed: int, _samples: int) -> int:
        with guard:
            uniform = generator.random()
        return round(-mean_ns * math.log1p(-uniform))

    return draw


class NullModel:
    """Gives back what it is fed, after the scripted time. Safe to share between threads, unlike the others."""

    def __init__(self, script: _Script) -> None:
        self._script = script
        self._first_ns: int | None = None
        self._slack = threading.local()
        batch = ("batch",)
        self.inputs = (TensorSpec(name="x", element_type="float32", shape=batch),)
        self.outputs = (TensorSpec(name="y", element_type="float32", shape=batch),)
        self.facts = CompileFacts(compile_ns=0, load_ns=0, from_cache=False, device="cpu", size_bytes=0)

    def run(self, feed: Feed) -> dict[str, NDArray[np.generic]]:
        """Sleeps as long as scripted."""
        now = time.perf_counter_ns()
        check_feed(feed, self.inputs)
        if self._first_ns is None:
            self._first_ns = now
        x: NDArray[Any] = feed["x"]
        self._sleep_until(now + self._script(now - self._first_ns, len(x)))
        return {"y": x}

    def close(self) -> None:
        """Nothing to give back."""

    def _sleep_until(self, due_ns: int) -> None:
        if not getattr(self._slack, "lowered", False):
            _lower_timer_slack()
            self._slack.lowered = True
        left = due_ns - time.perf_counter_ns()
        if left > _YIELD_NS:
            time.sleep((left - _YIELD_NS) / 1e9)
        while time.perf_counter_ns() < due_ns:
            time.sleep(0)  # lets other threads have the interpreter


def _lower_timer_slack() -> None:
    """Of this thread, to 1 ns. Where the system knows no such thing, the sleep is as coarse as it is."""
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is not None:
        prctl(_PR_SET_TIMERSLACK, 1, 0, 0, 0)


class NullBackend:
    """See the module."""

    name = "null"
    formats: tuple[str, ...] = ()

    def probe(self) -> Probe:
        """Always available."""
        modes = ("", *(f"{name}:" for name in _PARAMETERS))
        detail = "sleeps for a scripted time; needs no model"
        return Probe(
            available=True, detail=detail, version="1", devices=("cpu",), precisions=(Precision.FP32,), modes=modes
        )

    def compile(self, request: CompileRequest) -> CompiledModel:
        """Reads the mode."""
        if request.variant.precision is not Precision.FP32 or request.variant.device not in ("", "cpu"):
            raise BackendUnavailable("the backend null computes nothing: ask for fp32 on the cpu")
        return NullModel(parse_mode(request.variant.mode))


BACKEND = NullBackend()

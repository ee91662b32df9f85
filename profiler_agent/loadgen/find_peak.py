"""The largest rate whose p99 meets a limit: bracketing by factors of two, then bisection, on valid runs.

A run that is invalid because the target could not keep up counts as not meeting the limit; one that is invalid for
another reason (a neighbour disturbed it) is repeated once before it is believed. Since p99s are noisy, a rate near the
edge may pass by luck: the rate found must pass a second time, else the search goes on below it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from profiler_agent.errors import InvalidLoad
from profiler_agent.work import InvalidReason

TOLERANCE = 0.03
MOST_TRIALS = 24
CUT_SHORT = frozenset({"in_flight_cap", "max_duration"})
"""Rules that only a run of a target that falls behind breaks; whatever else it breaks follows from that."""

OVERLOAD = CUT_SHORT | {"unsteady", "littles_law", "rate_missed"}
"""Rules that a run breaks when the target cannot keep up."""


class NoPeak(InvalidLoad):
    """No rate meets the limit, or runs are invalid again and again; the message says how near one came."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A run at a rate: its p99, whether that meets the limit, and whether the run is valid."""

    rate: float
    p99_ms: float
    meets: bool
    valid: bool
    reasons: tuple[InvalidReason, ...] = ()

    @property
    def overloaded(self) -> bool:
        """Whether it is invalid as a run of a target that falls behind is."""
        broken = {reason.rule for reason in self.reasons}
        return not self.valid and (broken <= OVERLOAD or bool(broken & CUT_SHORT))


@dataclass(frozen=True, slots=True)
class Peak:
    """The largest rate that met the limit, in queries a second, and every trial on the way."""

    rate: float
    trials: tuple[Trial, ...]


def find_peak(
    measure: Callable[[float], Trial],
    *,
    p99_limit_ms: float,
    start_rate: float,
    lowest_rate: float = 0.01,
    tolerance: float = TOLERANCE,
    most_trials: int = MOST_TRIALS,
) -> Peak:
    """Searches from `start_rate` until the bracket is narrower than `tolerance` (a share of the rate).

    Makes `most_trials` trials at the most, and one more if the last was to be repeated; if they run out, the largest
    rate that passed so far is the answer.

    Raises:
        InvalidLoad: no limit, or a start below the lowest rate.
        NoPeak: even the lowest rate misses the limit, or runs are invalid again and again.
    """
    if not p99_limit_ms > 0:
        raise InvalidLoad(f"find_peak needs a limit on the p99 above 0 ms, not {p99_limit_ms:g}")
    if not 0 < lowest_rate <= start_rate:
        raise InvalidLoad(f"find_peak cannot start at {start_rate:g}/s, below its lowest rate of {lowest_rate:g}/s")
    search = _Search(measure, most_trials)
    low = search.bracket(start_rate, lowest_rate)
    while low > 0.0:
        low = search.bisect(low, tolerance)
        if search.spent or search.confirms(low):
            break
        # What passed by luck is the new upper end; whatever passed below it, or is found there, the lower.
        low = search.passed_below(low) or search.bracket(low / 2, lowest_rate)
    if low == 0.0:
        raise NoPeak(_explain(search.trials, p99_limit_ms))
    return Peak(low, tuple(search.trials))


class _Search:
    """The bracket is between rates that passed and the lowest that missed, `high`; nothing is tried above it."""

    def __init__(self, measure: Callable[[float], Trial], most_trials: int) -> None:
        self._measure = measure
        self._most_trials = most_trials
        self._passed: set[float] = set()
        self._high = math.inf
        self.trials: list[Trial] = []

    @property
    def spent(self) -> bool:
        """Whether no trial is left."""
        return len(self.trials) >= self._most_trials

    def bracket(self, rate: float, lowest_rate: float) -> float:
        """The largest power of two times the rate that passes; 0 if none does down to the lowest rate."""
        while not self.spent and rate >= lowest_rate:
            if self._passes(rate):
                while not self.spent and rate * 2 < self._high and self._passes(rate * 2):
                    rate *= 2
                return rate
            rate /= 2
        return 0.0

    def bisect(self, low: float, tolerance: float) -> float:
        """The largest rate that passes, to the tolerance, from one that did."""
        while not self.spent and self._high - low > tolerance * low:
            middle = (low + self._high) / 2
            if self._passes(middle):
                low = middle
        return low

    def confirms(self, rate: float) -> bool:
        """Whether it passes again."""
        return self._passes(rate)

    def passed_below(self, rate: float) -> float:
        """The largest rate below that passed, 0 if none did."""
        return max((passed for passed in self._passed if passed < rate), default=0.0)

    def _passes(self, rate: float) -> bool:
        for attempt in range(2):
            trial = self._measure(rate)
            self.trials.append(trial)
            if trial.valid or trial.overloaded or attempt:
                break
        passes = trial.valid and trial.meets
        if passes:
            self._passed.add(rate)
        else:
            self._passed.discard(rate)
            self._high = min(self._high, rate)
        return passes


def _explain(trials: list[Trial], p99_limit_ms: float) -> str:
    best = min(trials, key=lambda trial: trial.p99_ms)
    why = ", ".join(sorted({reason.rule for trial in trials for reason in trial.reasons}))
    hint = f"; runs were invalid: {why}" if why else ""
    return (
        f"no rate meets a p99 of {p99_limit_ms:g} ms: at {best.rate:.3g} requests a second it is {best.p99_ms:.3g} ms"
        f"{hint}"
    )

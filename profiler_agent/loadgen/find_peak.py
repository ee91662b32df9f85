"""The largest rate whose p99 meets a limit: bracketing by factors of two, then bisection, on valid runs.

A run that is invalid because the target could not keep up counts as not meeting the limit; one that is invalid for
another reason (a neighbour disturbed it) is repeated once before it is believed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from profiler_agent.errors import InvalidLoad
from profiler_agent.work import InvalidReason

TOLERANCE = 0.03
MOST_TRIALS = 24
OVERLOAD = frozenset({"in_flight_cap", "max_duration", "unsteady", "littles_law", "rate_missed"})
"""Rules that a run breaks when the target cannot keep up."""


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
        return not self.valid and all(reason.rule in OVERLOAD for reason in self.reasons)


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

    Raises:
        InvalidLoad: no limit; or even the lowest rate misses it; or runs are invalid again and again.
    """
    if not p99_limit_ms > 0:
        raise InvalidLoad(f"find_peak needs a limit on the p99 above 0 ms, not {p99_limit_ms:g}")
    trials: list[Trial] = []

    def passes(rate: float) -> bool:
        for attempt in range(2):
            trial = measure(rate)
            trials.append(trial)
            if trial.valid or trial.overloaded or attempt:
                break
        return trial.valid and trial.meets

    low, high = 0.0, start_rate
    while len(trials) < most_trials and passes(high):
        low, high = high, high * 2
    while low == 0.0 and len(trials) < most_trials and high / 2 >= lowest_rate:
        if passes(high / 2):
            low = high / 2
        else:
            high /= 2
    while low > 0.0 and high - low > tolerance * low and len(trials) < most_trials:
        middle = (low + high) / 2
        if passes(middle):
            low = middle
        else:
            high = middle
    if low == 0.0:
        best = min(trials, key=lambda trial: trial.p99_ms)
        why = ", ".join(sorted({reason.rule for trial in trials for reason in trial.reasons}))
        hint = f"; runs were invalid: {why}" if why else ""
        raise InvalidLoad(
            f"no rate meets a p99 of {p99_limit_ms:g} ms: at {best.rate:.3g} requests a second it is {best.p99_ms:.3g} "
            f"ms{hint}"
        )
    return Peak(low, tuple(trials))

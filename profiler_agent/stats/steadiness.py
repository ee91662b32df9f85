"""Whether a run had settled: its windows agree, and warm-up is over once they do.

Windows agree if the largest exceeds the smallest by at most 10 %. In a finished run a larger difference is held against
it only if chance does not explain it: windows are means of noisy requests, and at a high load the queue's own
fluctuation alone moves a window by more. With s the standard error of a window, from the scatter of its eight parts,

    unsteady  if  max - min > 0.1 min  and  max - min > q s,   q = 4.6, the 99 % point of the studentised range of
                                                               3 windows with 21 degrees of freedom
"""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from profiler_agent.stats.timeline import Timeline

TOLERANCE = 0.10
WINDOWS = 3
_PARTS = 8
_STUDENTISED_RANGE = 4.6
_FEWEST_A_WINDOW = 2 * _PARTS


@dataclass(frozen=True, slots=True)
class Windows:
    """A quantity in each window, and the difference between two of them that chance alone explains."""

    values: tuple[float, ...]
    chance: float

    @property
    def spread(self) -> float:
        """How much the largest exceeds the smallest, as a share of the smallest."""
        low = min(self.values)
        return (max(self.values) - low) / low if low > 0 else float(max(self.values) > 0)

    @property
    def steady(self) -> bool:
        """Whether they agree."""
        return self.spread <= TOLERANCE or max(self.values) - min(self.values) <= self.chance


def agree(values: Sequence[float], tolerance: float = TOLERANCE) -> bool:
    """Whether the largest exceeds the smallest by at most that share of it."""
    return max(values) <= min(values) * (1.0 + tolerance)


def latency_windows(run: Timeline) -> Windows | None:
    """Median latencies (ns) of the thirds of a run, by schedule; None with too few requests to tell."""
    latency = run.latency[np.argsort(run.started, kind="stable")] if run.all_at_once else run.latency
    thirds = np.array_split(latency, WINDOWS)
    if thirds[-1].size < _FEWEST_A_WINDOW:
        return None
    parts = [[float(np.median(part)) for part in np.array_split(third, _PARTS)] for third in thirds]
    return Windows(tuple(float(np.median(third)) for third in thirds), _chance(parts))


def throughput_windows(run: Timeline) -> Windows | None:
    """Answers a second in the thirds of a run; None with too few requests to tell.

    In an open loop the rate is that of the schedule, which chance draws: there the windows are answers per scheduled
    request instead, so 1 where the target keeps pace.
    """
    if run.count < WINDOWS * _FEWEST_A_WINDOW + 1:
        return None
    bounds = np.linspace(0, run.count - 1, WINDOWS * _PARTS + 1).astype(np.int64)
    finishes = run.finished_in_order[bounds].astype(np.float64)
    durations = np.maximum(np.diff(finishes), 1.0)
    requests = np.diff(bounds).astype(np.float64)
    if run.open_loop:
        expected = np.maximum(np.diff(run.scheduled[bounds].astype(np.float64)), 1.0)
        thirds = expected.reshape(WINDOWS, _PARTS).sum(1) / durations.reshape(WINDOWS, _PARTS).sum(1)
        # A boundary moves with the latency of the request that happens to lie on it.
        wobble = 1.4826 * float(np.median(np.abs(run.latency - np.median(run.latency))))
        window = float(expected.sum()) / WINDOWS
        return Windows(tuple(thirds.tolist()), _STUDENTISED_RANGE * 2**0.5 * wobble / window)
    rates = (requests / durations * 1e9).reshape(WINDOWS, _PARTS)
    totals = requests.reshape(WINDOWS, _PARTS).sum(1) / durations.reshape(WINDOWS, _PARTS).sum(1) * 1e9
    return Windows(tuple(totals.tolist()), _chance(rates.tolist()))


def _chance(parts: Sequence[Sequence[float]]) -> float:
    """The q-fold standard error of a window, pooled over the windows."""
    return float(_STUDENTISED_RANGE * (statistics.fmean(statistics.variance(part) for part in parts) / _PARTS) ** 0.5)


class WarmUp:
    """Watches the latencies of a closed loop until it is steady, or until a cap.

    A window ends with the first request that makes it at least `window_ns` long and `fewest` requests large; it is over
    when throughput and median latency of the last three windows are within 10 %, or when the requests took `cap_ns`.
    """

    def __init__(self, *, window_ns: int = 50_000_000, fewest: int = 5, cap_ns: int = 2_000_000_000) -> None:
        self._window_ns = window_ns
        self._fewest = fewest
        self._cap_ns = cap_ns
        self._current: list[int] = []
        self._medians: deque[float] = deque(maxlen=WINDOWS)
        self._rates: deque[float] = deque(maxlen=WINDOWS)
        self.requests = 0
        self.elapsed_ns = 0

    def add(self, latency_ns: int) -> bool:
        """Takes the latency of the next request; says whether warm-up is over."""
        self._current.append(latency_ns)
        self.requests += 1
        self.elapsed_ns += latency_ns
        total = sum(self._current) if len(self._current) >= self._fewest else 0
        if total >= self._window_ns:
            self._medians.append(statistics.median(self._current))
            self._rates.append(len(self._current) / total)
            self._current = []
        return self.over

    @property
    def steady(self) -> bool:
        """Whether the last three windows agree."""
        return len(self._medians) == WINDOWS and agree(self._medians) and agree(self._rates)

    @property
    def over(self) -> bool:
        """Whether measuring may begin: it is steady, or will not become so within the cap."""
        return self.steady or self.elapsed_ns >= self._cap_ns

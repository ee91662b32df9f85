"""Whether the generator kept up with its schedule, and whether the target did.

    late        sent - scheduled > max(1 ms, 1 % of the median latency); at most 1 % of the requests may be
    sent share  span of the schedule / span of the sends
    served share = 1 / (1 + g), g the growth of (finished - sent) from the first to the last third of the run, over the
                  time between their middles: a target that is behind by g seconds more every second serves that share

The shares compare with the schedule that was drawn, not with the rate it was drawn for, since the count of a Poisson
arrival process varies by itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from profiler_agent.stats.timeline import Timeline

LATE_SHARE = 0.01
RATE_SHARE = 0.99
_LATE_FLOOR_NS = 1_000_000
_LATE_OF_MEDIAN = 0.01
_FEWEST = 30


@dataclass(frozen=True, slots=True)
class Pace:
    """How a run kept to its schedule. Shares are 1 where nothing was lost; rates a second."""

    late: int
    late_after_ns: int
    sent_share: float
    served_share: float
    asked_per_s: float
    saturated: bool


def pace_of(run: Timeline) -> Pace:
    """Looks at a run of at least one request."""
    late_after = max(_LATE_FLOOR_NS, int(_LATE_OF_MEDIAN * float(np.median(run.latency))))
    late = int(np.count_nonzero(run.sent - run.scheduled > late_after))
    if not run.open_loop or run.count < 2:
        return Pace(late, late_after, 1.0, 1.0, 0.0, saturated=False)
    asked_span = int(run.scheduled[-1] - run.scheduled[0])
    sent_span = int(run.sent.max() - run.sent.min())
    sent_share = min(asked_span / sent_span, 1.0) if sent_span > 0 else 1.0
    served_share, growing = _served(run)
    asked = (run.count - 1) / asked_span * 1e9 if asked_span else 0.0
    # If the generator fell behind itself, what it would have done to the target is not known.
    saturated = growing and served_share < RATE_SHARE and sent_share >= RATE_SHARE
    return Pace(late, late_after, sent_share, served_share, asked, saturated)


def _served(run: Timeline) -> tuple[float, bool]:
    """The share of the asked rate that the target served, and whether requests waited ever longer."""
    if run.count < _FEWEST:
        return 1.0, False
    third = run.count // 3
    waits = run.finished - run.sent
    first, last = float(np.median(waits[:third])), float(np.median(waits[-third:]))
    apart = float(np.median(run.scheduled[-third:]) - np.median(run.scheduled[:third]))
    growth = max(last - first, 0.0) / apart if apart > 0 else 0.0
    # A backlog grows in proportion to time, so its last third is about five times its first; a busy queue just varies.
    return 1.0 / (1.0 + growth), last > 2.0 * first


def saturation(run: Timeline) -> str:
    """In words, how much of the asked rate the target managed; empty if it kept pace."""
    pace = pace_of(run) if run.count else None
    if pace is None or not pace.saturated:
        return ""
    return f"saturated: answered {pace.asked_per_s * pace.served_share:.4g}/s of {pace.asked_per_s:.4g}/s asked"

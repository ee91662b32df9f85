"""How much one replica takes, and how many a rate needs.

    replicas = ceil(rate / (capacity x (1 - headroom)))

The capacity is the largest rate at which a profile of the same variant on the same host class, batched and asked in the
same way, kept all limits on response latencies: the measured peak of `find_peak`, or a rate that was sustained under
open load. Without such limits any throughput that was reached counts.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from msearch_deployment.candidates import Measured
from msearch_deployment.limits import RESPONSE_LATENCIES, Limit

PEAK, SUSTAINED = "peak_rate_per_s", "throughput_per_s"
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Capacity:
    """Inferences a second that one replica takes, and the profile and load that vouch for it.

    `at_peak`: it was searched for; otherwise it is a rate that was sustained, and the peak lies above.
    """

    per_s: float
    profile_id: str
    load: str
    at_peak: bool

    def replicas(self, rate_per_s: float, headroom: float) -> int:
        """How many replicas a rate needs, with a share `headroom` of each kept free. At least 1."""
        return max(1, math.ceil(rate_per_s / (self.per_s * (1 - headroom)) - _ROUNDING))


def find_capacity(profiles: Iterable[Measured], limits: Sequence[Limit]) -> Capacity | None:
    """The largest rate that one of the profiles vouches for under these limits; None if none does.

    `profiles` are those that vouch for the one that is sized (`Measured.vouches_for`); predictions vouch for nothing.
    """
    latencies = [limit for limit in limits if limit.quantity in RESPONSE_LATENCIES]
    found: Capacity | None = None
    for profile in profiles:
        if profile.predicted or (latencies and not _keeps(profile, latencies)):
            continue
        figure = profile.figures.get(PEAK) or profile.figures.get(SUSTAINED)
        if figure is None or figure.value <= 0:
            continue
        if found is None or figure.value > found.per_s:
            found = Capacity(figure.value, profile.profile_id, profile.load, PEAK in profile.figures)
    return found


def _keeps(profile: Measured, latencies: Sequence[Limit]) -> bool:
    """Whether requests that came at their own times met the limits; a closed loop never lets them queue."""
    if not profile.open_loop:
        return False
    figures = profile.figures
    return all(limit.quantity in figures and limit.holds(figures[limit.quantity].value) for limit in latencies)

"""Fair share between users: whose jobs count as longer because their user has had more of the agents than others.

Usage is agent time that fades with a half-life, so that what was used yesterday does not matter today.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Usage:
    """Agent seconds a user has had, as they count at time `at`."""

    seconds: float = 0.0
    at: float = 0.0

    def faded(self, now: float, *, half_life_s: float = 3600.0) -> float:
        """What of it counts now."""
        return self.seconds * math.exp(-math.log(2) * max(0.0, now - self.at) / half_life_s)

    def after(self, seconds: float, *, now: float, half_life_s: float = 3600.0) -> Usage:
        """The usage with so many more seconds."""
        return Usage(self.faded(now, half_life_s=half_life_s) + seconds, max(now, self.at))


def shares(used: Mapping[str, float], users: Iterable[str], *, grain_s: float) -> dict[str, float]:
    """By user, how many times longer than they are jobs count: 1 for whoever of `users` has had least.

        share(u) = (used(u) + grain) / (least used of all + grain)

    Args:
        used: agent seconds that count now, by user (`Usage.faded`); none for a user who is not in it.
        users: those who have jobs waiting. One alone has a share of 1.
        grain_s: differences well below this do not matter; the mean size of a job does.
    """
    if grain_s <= 0:
        raise ValueError(f"a grain of {grain_s:g} s; it must be above 0")
    amounts = {user: used.get(user, 0.0) + grain_s for user in users}
    least = min(amounts.values(), default=1.0)
    return {user: amount / least for user, amount in amounts.items()}

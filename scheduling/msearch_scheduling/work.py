"""What the policy decides about: jobs that wait, and agents that run them one at a time.

Times are seconds of any one clock; sizes are seconds on an agent of speed 1. Nothing here reads a clock.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingJob:
    """A job that waits.

    Args:
        id: its name.
        number: grows with the order of submission, and decides between equals.
        estimate_s: how long it would take on an agent of speed 1, as the size predictor sees it; above 0.
        submitted_at: since when it waits.
        experiment: whose replicas it is one of; "" for none.
        user: whose share of the agents it uses; "" for nobody's.
        priority: the higher goes first, always.
        needs: words, all of which an agent must offer.
        tier: the only tier of agents it may run in; None for any.
        agent_id: where it was placed; "" for nowhere yet.
        overtaken_s: how long jobs behind it in the order of arrival have run on its agent while it waited.
        exclusive: it measures on its agent's devices, and holds them all while it runs.
    """

    id: str
    number: int
    estimate_s: float
    submitted_at: float
    experiment: str = ""
    user: str = ""
    priority: int = 0
    needs: frozenset[str] = frozenset()
    tier: int | None = None
    agent_id: str = ""
    overtaken_s: float = 0.0
    exclusive: bool = True

    def __post_init__(self) -> None:
        if not 0 < self.estimate_s < float("inf"):
            raise ValueError(
                f"job {self.id}: an estimated size of {self.estimate_s:g} s; it must be above 0 and finite"
            )

    @property
    def turn(self) -> tuple[int, int]:
        """Its place in the order of arrival: the higher priority first, then the older."""
        return (-self.priority, self.number)

    def waited(self, now: float) -> float:
        """How long it has waited; 0 where the clock was set back to before it came."""
        return max(0.0, now - self.submitted_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningJob:
    """A job that an agent runs since `started_at`."""

    id: str
    estimate_s: float
    started_at: float
    exclusive: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """An agent.

    Args:
        id: its name.
        speed: work done in a second; 1 for the reference, above 0.
        offers: words that jobs may need.
        tier: among agents of like speed; 0 for the fastest.
        quarantined_until: takes no job before that time.
        devices: what it holds while it runs an exclusive job, as in "host-7/cuda:0"; agents of one host may share some.
        running: its job; None for none. Where it runs several, one that stands for them, with the sum of their sizes.
        slots: how many jobs it runs side by side, each at `speed`.
        away: why it takes no more jobs, as in "drains"; "" where it does.
    """

    id: str
    speed: float = 1.0
    offers: frozenset[str] = frozenset()
    tier: int = 0
    quarantined_until: float = float("-inf")
    devices: frozenset[str] = field(default_factory=frozenset)
    running: RunningJob | None = None
    slots: int = 1
    away: str = ""

    def __post_init__(self) -> None:
        if not 0 < self.speed < float("inf"):
            raise ValueError(f"agent {self.id}: a speed of {self.speed:g}; it must be above 0 and finite")

    def seconds_for(self, estimate_s: float) -> float:
        """How long work of that size takes here."""
        return estimate_s / self.speed


def format_seconds(seconds: float) -> str:
    """A time for people: "0.8 s", "12 s", "4.2 min", "1.5 h"."""
    for unit, length in (("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * length:
            return f"{seconds / length:.3g} {unit}"
    return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"

"""Quarantine: an agent that times out again and again gets no jobs for a while, longer each time.

`strikes` failures within `window_s` seconds send it into quarantine for `first_s`, twice as long each further time, at
most `longest_s`. It comes out by itself. Every success takes one doubling back.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from msearch_scheduling.work import format_seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class ConductRules:
    """When an agent is quarantined, and for how long."""

    strikes: int = 3
    window_s: float = 1800.0
    first_s: float = 600.0
    longest_s: float = 6 * 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Conduct:
    """How an agent has behaved: when it failed lately, how often it was quarantined, until when it is."""

    failed_at: tuple[float, ...] = ()
    offences: int = 0
    quarantined_until: float = float("-inf")

    def after_failure(self, now: float, rules: ConductRules) -> Conduct:
        """A job timed out there, or the agent was lost with it."""
        recent = (*(time for time in self.failed_at if now - time < rules.window_s), now)
        if len(recent) < rules.strikes:
            return replace(self, failed_at=recent)
        length = min(rules.longest_s, rules.first_s * 2.0 ** min(self.offences, 40))
        return Conduct(offences=self.offences + 1, quarantined_until=now + length)

    def after_success(self) -> Conduct:
        """A job succeeded there."""
        return replace(self, failed_at=(), offences=max(0, self.offences - 1))

    def reason(self, now: float) -> str:
        """Why it gets no jobs; "" where it does."""
        if now >= self.quarantined_until:
            return ""
        times = "once" if self.offences == 1 else f"{self.offences} times"
        return (
            f"quarantined for another {format_seconds(self.quarantined_until - now)}: jobs kept failing there, {times}"
        )

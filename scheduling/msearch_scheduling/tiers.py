"""Tiers of agents, after TiFL (Chai et al., HPDC 2020): replicas of one experiment are measured among equals.

A calibration run times the same work on every agent. Agents fall into tiers where the times leave a gap: going from the
fastest to the slowest, a tier ends where the next agent takes more than `spread` longer than the tier's fastest. TiFL
makes tiers of equal size for training; here what counts is that measurements within a tier can be compared.

A new experiment gets the tier that is covered least so far. TiFL draws tiers by chance, with credits that keep slow
ones from being chosen too often; here every tier is wanted alike, so the choice is the least covered, without chance.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from msearch_scheduling.placement import obstacle
from msearch_scheduling.work import Agent, WaitingJob


def tiers(calibrations: Mapping[str, float], *, spread: float = 0.25) -> dict[str, int]:
    """The tier of each agent, 0 for the fastest.

    Args:
        calibrations: seconds that the calibration run took, by agent.
        spread: how much longer than the fastest of its tier an agent may take, as a share.
    """
    for name, seconds in calibrations.items():
        if not 0 < seconds < float("inf"):
            raise ValueError(f"agent {name}: a calibration of {seconds:g} s; it must be above 0 and finite")
    found: dict[str, int] = {}
    tier, fastest = -1, 0.0
    for name, seconds in sorted(calibrations.items(), key=lambda item: (item[1], item[0])):
        if tier < 0 or seconds > fastest * (1 + spread):
            tier, fastest = tier + 1, seconds
        found[name] = tier
    return found


def class_tiers(peaks: Mapping[str, float | None], *, spread: float = 0.25) -> dict[str, int]:
    """The tier of each host class, from what its hosts can do at most; classes that nobody measured each by itself.

    Args:
        peaks: most operations a second of each class; None where it was not measured.
        spread: see `tiers`.
    """
    found = tiers({name: 1 / peak for name, peak in peaks.items() if peak}, spread=spread)
    first = max(found.values(), default=-1) + 1
    return found | {name: first + place for place, name in enumerate(sorted(peaks.keys() - found.keys()))}


def speeds(calibrations: Mapping[str, float]) -> dict[str, float]:
    """The speed of each agent, 1 for the median one."""
    ordered = sorted(calibrations.values())
    middle = ordered[(len(ordered) - 1) // 2] if ordered else 1.0
    return {name: middle / seconds for name, seconds in calibrations.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class TierChoice:
    """The tier of an experiment, and why; None where no agent can take its jobs."""

    tier: int | None
    reason: str


def choose_tier(job: WaitingJob, agents: Iterable[Agent], coverage: Mapping[int, float], *, now: float) -> TierChoice:
    """The tier in which all replicas of the job's experiment are to run.

    Args:
        job: one of them, not yet bound to a tier.
        agents: all there are.
        coverage: by tier, how much has been measured there (runs, or seconds); 0 for one that is not in it.
        now: in the clock of the agents.
    """
    able: dict[int, float] = {}
    for agent in agents:
        if not obstacle(job, agent, now=now):
            able[agent.tier] = able.get(agent.tier, 0.0) + agent.speed
    if not able:
        return TierChoice(tier=None, reason="no tier has an agent that can take it")
    tier = min(able, key=lambda number: (coverage.get(number, 0.0), -able[number], number))
    others = f", of {len(able)} that can take it" if len(able) > 1 else ", the only one that can take it"
    return TierChoice(tier=tier, reason=f"tier {tier} is covered least ({coverage.get(tier, 0.0):g}){others}")

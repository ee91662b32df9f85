"""What the scheduler knows of jobs that wait and of agents.

What a job needs and what an agent offers are sets of words; an agent can take a job if it offers all that it needs.
The database compares the words, so that a poll that finds nothing costs next to nothing. What is decided from there on
is decided by `msearch_scheduling`, the code that the simulator runs.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from msearch_scheduling.conduct import Conduct
from msearch_scheduling.pace import PaceRecords
from msearch_scheduling.sizes import SizeLaw
from msearch_scheduling.trust import Trust
from search_service.domain.profiling import MODEL_FREE_BACKENDS, Agent, BackendStatus, JobSpec, Precision


@dataclass(frozen=True, slots=True, kw_only=True)
class Queued:
    """A pending job as it stands in the queue. `number` grows with the order of submission.

    `queued_s` is the time since when it waits, in seconds since 1970; for the rest see `domain.jobs.Job` and
    `msearch_scheduling.work.WaitingJob`.
    """

    job_id: str
    number: int
    priority: int
    needs: frozenset[str]
    tier: str
    agent_id: str
    user: str
    estimate_s: float
    queued_s: float
    overtaken_s: float
    exclusive: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A leased job. `exclusive`: it holds its agent's devices."""

    job_id: str
    agent_id: str
    estimate_s: float
    leased_at: datetime
    exclusive: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """An agent as the scheduler sees it. `gflop_per_s`: the most its host was measured to do; None if it was not."""

    id: str
    name: str
    host_class: str
    offers: frozenset[str]
    capacity: int
    draining: bool
    last_seen_at: datetime
    devices: frozenset[str]
    gflop_per_s: float | None
    conduct: Conduct = field(default_factory=Conduct)
    pace: PaceRecords = field(default_factory=PaceRecords)

    def away(self, now: datetime, gone_after: timedelta) -> str:
        """Why it takes no more jobs; "" where it does."""
        if abs(now - self.last_seen_at) > gone_after:  # as Agent.state
            return f"was not heard of since {self.last_seen_at:%FT%TZ}"
        return "drains" if self.draining else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """What ended jobs have taught about sizes: the law, and how far it can be trusted."""

    law: SizeLaw = field(default_factory=SizeLaw)
    trust: Trust = field(default_factory=Trust)


def needs_of(spec: JobSpec) -> frozenset[str]:
    """What an agent must offer to take the job."""
    words = {f"backend {variant.backend}/{variant.precision}" for variant in spec.variants}
    words |= {
        f"device {variant.backend}/{variant.device}"
        for variant in spec.variants
        if variant.device and variant.backend not in MODEL_FREE_BACKENDS
    }
    if spec.evaluate is not None:
        words.add(f"evaluate {spec.evaluate.format}")
    if spec.host_class:
        words.add(f"host {spec.host_class}")
    words |= {f"label {key}={value}" for key, value in spec.labels.items()}
    return frozenset(words)


def is_exclusive(spec: JobSpec) -> bool:
    """Whether the job measures on its agent's devices: a null or remote backend runs nothing there.

    An evaluate job measures nothing, so others may run beside it; the agent keeps it and measurements apart by itself.
    """
    return any(variant.backend not in MODEL_FREE_BACKENDS for variant in spec.variants)


def offers_of(agent: Agent) -> frozenset[str]:
    """What the agent offers."""
    return offered(agent.host_class, agent.labels, agent.backends, agent.evaluates)


def offered(
    host_class: str, labels: Mapping[str, str], backends: Iterable[BackendStatus], evaluates: Iterable[str]
) -> frozenset[str]:
    """What an agent offers: its available backends, what it evaluates, its host class's beginnings, its labels."""
    words = {f"host {host_class[:length]}" for length in range(1, len(host_class) + 1)}
    words |= {f"label {key}={value}" for key, value in labels.items()}
    words |= {f"evaluate {kind}" for kind in evaluates}
    for backend in backends:
        if backend.available:
            words |= {f"backend {backend.name}/{precision}" for precision in backend.precisions or Precision}
            for device in backend.devices:
                words |= {f"device {backend.name}/{device}", f"device {backend.name}/{device.partition(':')[0]}"}
    return frozenset(words)


def peak_of(host_json: str) -> float | None:
    """The most operations a second, in GFLOP, that a host fingerprint says were measured; None where it says none."""
    try:
        found = [float(peak["gflop_per_s"]) for peak in json.loads(host_json).get("peaks", ())]
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
    best = max(found, default=0.0)
    return best if 0 < best < float("inf") else None

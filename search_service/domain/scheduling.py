"""Which jobs an agent could take, and which of them it takes next.

What a job needs and what an agent offers are sets of words; an agent can take a job if it offers all that it needs.
The database compares the words, so that a poll that finds nothing costs next to nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from search_service.domain.profiling import MODEL_FREE_BACKENDS, Agent, JobSpec, Precision


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A pending job that fits an agent. `number` grows with the order of submission."""

    job_id: str
    priority: int
    number: int


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


def offers_of(agent: Agent) -> frozenset[str]:
    """What the agent offers: its available backends, what it evaluates, its host class's beginnings, its labels."""
    words = {f"host {agent.host_class[:length]}" for length in range(1, len(agent.host_class) + 1)}
    words |= {f"label {key}={value}" for key, value in agent.labels.items()}
    words |= {f"evaluate {kind}" for kind in agent.evaluates}
    for backend in agent.backends:
        if backend.available:
            words |= {f"backend {backend.name}/{precision}" for precision in backend.precisions or Precision}
            for device in backend.devices:
                words |= {f"device {backend.name}/{device}", f"device {backend.name}/{device.partition(':')[0]}"}
    return frozenset(words)


def in_order(candidates: Sequence[Candidate]) -> list[Candidate]:
    """The candidates of one agent, the one to take first in front: the higher priority, then the older."""
    return sorted(candidates, key=lambda candidate: (-candidate.priority, candidate.number))

"""Profiler agents, as the service knows them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from msearch_client._records import Record
from msearch_client._variants import Precision


class AgentState(StrEnum):
    """Where an agent stands: it takes jobs, finishes what it has, or has not been heard of for a while."""

    ACTIVE = "active"
    DRAINING = "draining"
    GONE = "gone"


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendStatus(Record):
    """A backend on a host; `detail` says what it found there, or why it is not available and how to install it."""

    name: str
    available: bool
    detail: str = ""
    version: str = ""
    devices: tuple[str, ...] = ()
    precisions: tuple[Precision, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Agent(Record):
    """A profiler agent. `capacity` is how many jobs it runs side by side; `job_ids` are those it holds.

    `evaluates` are the formats of artifacts whose models it runs in evaluate jobs. `devices` is what it measures on;
    `speed` how fast jobs end on it, 1 for the average agent; `tier` that of its host class, 0 for the fastest.
    `quarantined_until`: it gets no jobs before, because jobs kept failing there.
    """

    id: str
    name: str
    host_class: str
    host_json: str
    backends: tuple[BackendStatus, ...]
    labels: Mapping[str, str]
    capacity: int
    state: AgentState
    created_at: datetime
    last_seen_at: datetime
    job_ids: tuple[str, ...]
    version: str
    evaluates: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    quarantined_until: datetime | None = None
    speed: float = 1.0
    tier: int = 0

    @property
    def host(self) -> Mapping[str, Any]:
        """The host's fingerprint; empty where there is none that can be read."""
        try:
            found = json.loads(self.host_json or "{}")
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    def __repr__(self) -> str:
        usable = ", ".join(backend.name for backend in self.backends if backend.available)
        return f"Agent({self.name}, {self.state}, {self.host_class}, {usable or 'no backend'})"

"""Which stored profiles make a job needless: the same question, answered VALID where the answer still holds."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from search_service.domain.experiments import Cell
from search_service.domain.ports import UnitOfWork
from search_service.domain.profiling import Agent, AgentState, JobSpec, Profile, ProfileFilter

MOST_LOOKED_AT = 5_000
"""Of the profiles of one model on one backend the newest so many."""

_PAGE = 1_000


class StoredProfiles:
    """Looks for profiles that were measured as `base` says: by its limits and on agents with its labels."""

    def __init__(
        self, unit: UnitOfWork, base: JobSpec, agents: Sequence[Agent], now: datetime, gone_after: timedelta
    ) -> None:
        self._unit = unit
        self._base = base
        present = [agent for agent in agents if agent.state(now, gone_after) is not AgentState.GONE]
        self._libraries: dict[str, list[Mapping[str, str]]] = {}
        for agent in present:
            self._libraries.setdefault(agent.host_class, []).append(_libraries_of(agent))
        self._profiles: dict[tuple[str, str], list[Profile]] = {}
        self._asked_alike: dict[tuple[str, str], bool] = {}

    def find(self, cell: Cell) -> Profile | None:
        """The newest profile that answers the cell, or None."""
        for profile in self._of(cell.model_id, cell.variant.backend):
            if (
                cell.is_measured_by(profile)
                and profile.host_class.startswith(cell.host_class)
                and self._is_asked_alike(profile.job_id, cell.remote_target)
                and self.is_current(profile)
            ):
                return profile
        return None

    def is_current(self, profile: Profile) -> bool:
        """Whether an agent of its host class has the libraries that it was measured with, or none is left to ask."""
        installed = self._libraries.get(profile.host_class)
        if not installed:
            return True
        return any(
            all(libraries.get(name, version) == version for name, version in profile.versions.items())
            for libraries in installed
        )

    def _of(self, model_id: str, backend: str) -> list[Profile]:
        key = (model_id, backend)
        if key not in self._profiles:
            wanted = ProfileFilter(model_id=model_id, backend=backend)
            found: list[Profile] = []
            after: tuple[str, ...] | None = None
            while len(found) < MOST_LOOKED_AT:
                page = self._unit.profiles.page(wanted, after, _PAGE)
                found += [profile for profile in page.items if profile.model_id == model_id]
                after = page.after
                if after is None:
                    break
            self._profiles[key] = found
        return self._profiles[key]

    def _is_asked_alike(self, job_id: str, remote_target: str) -> bool:
        key = (job_id, remote_target)
        if key not in self._asked_alike:
            spec = self._unit.jobs.get(job_id).spec
            self._asked_alike[key] = (
                spec.limits == self._base.limits
                and dict(spec.labels) == dict(self._base.labels)
                and spec.memory_limit_bytes == self._base.memory_limit_bytes
                and spec.remote_target == remote_target
            )
        return self._asked_alike[key]


def _libraries_of(agent: Agent) -> Mapping[str, str]:
    libraries = json.loads(agent.host_json or "{}").get("libraries", {})
    return libraries if isinstance(libraries, dict) else {}

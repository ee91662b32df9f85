"""Agents in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from search_service.domain.profiling import Agent
from search_service.storage import refusals
from search_service.storage.profiling_rows import agent_of, agent_values
from search_service.storage.profiling_tables import agents
from search_service.storage.session import Session

_ALL = sa.select(agents).order_by(agents.c.name)
_BY_ID = sa.select(agents).where(agents.c.id == sa.bindparam("agent_id"))
_BY_NAME = sa.select(agents).where(agents.c.name == sa.bindparam("agent_name"))
_LOCKED = _BY_ID.with_for_update()
_TOUCH = (
    sa.update(agents)
    .where(agents.c.id == sa.bindparam("agent_id"), agents.c.last_seen_at < sa.bindparam("at"))
    .values(last_seen_at=sa.bindparam("at"))
)


class SqlAgents:
    """The agents as one session sees them."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, agent: Agent) -> None:
        if self._session.insert_new(agents, agent_values(agent)) is None:
            raise refusals.only_name_taken("agent", agent.name)

    def get(self, agent_id: str) -> Agent:
        found = self._session.rows(_BY_ID, {"agent_id": agent_id})
        if not found:
            raise refusals.agent_not_found(agent_id)
        return agent_of(found[0])

    def find(self, name: str) -> Agent:
        found = self._session.rows(_BY_NAME, {"agent_name": name})
        if not found:
            raise refusals.agent_not_found(name)
        return agent_of(found[0])

    def all(self) -> Sequence[Agent]:
        return [agent_of(row) for row in self._session.rows(_ALL)]

    def lock(self, agent_id: str) -> Agent:
        found = self._session.lock_rows(_LOCKED, {"agent_id": agent_id})
        if not found:
            raise refusals.agent_not_found(agent_id)
        return agent_of(found[0])

    def replace(self, agent: Agent) -> None:
        values = agent_values(agent)
        del values["name"]
        if not self._session.write(sa.update(agents).where(agents.c.id == agent.id), values):
            raise refusals.agent_not_found(agent.id)

    def touch(self, agent_id: str, at: datetime) -> None:
        self._session.write(_TOUCH, {"agent_id": agent_id, "at": at})

"""Agents in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from search_service.domain.profiling import Agent
from search_service.domain.scheduling import Member
from search_service.storage import refusals
from search_service.storage.profiling_rows import agent_of, agent_values
from search_service.storage.profiling_tables import LEASED, agents, jobs
from search_service.storage.scheduling_rows import MEMBERS, member_of
from search_service.storage.scheduling_tables import agent_devices
from search_service.storage.session import Session

_ALL = sa.select(agents).order_by(agents.c.name)
_BY_ID = sa.select(agents).where(agents.c.id == sa.bindparam("agent_id"))
_BY_NAME = sa.select(agents).where(agents.c.name == sa.bindparam("agent_name"))
_LOCKED = _BY_ID.with_for_update()
_TOUCH = sa.update(agents).where(agents.c.id == sa.bindparam("agent_id")).values(last_seen_at=sa.bindparam("at"))
_OTHER = agent_devices.alias("other")
_PEERS = (
    sa.select(_OTHER.c.agent_id)
    .join_from(agent_devices, _OTHER, agent_devices.c.device == _OTHER.c.device)
    .where(agent_devices.c.agent_id == sa.bindparam("agent_id"), _OTHER.c.agent_id != sa.bindparam("agent_id"))
)
"""Agents that share a device with one."""
_HELD = (
    sa.select(sa.func.count()).select_from(jobs).where(LEASED, jobs.c.agent_id == sa.bindparam("agent_id"))
).scalar_subquery()
_FREE = sa.select(agents.c.id).where(
    agents.c.id == sa.bindparam("agent_id"), sa.not_(agents.c.draining), agents.c.capacity > _HELD
)
_UNDISTURBED = _FREE.where(
    sa.not_(sa.exists().where(LEASED, jobs.c.exclusive.is_(sa.true()), jobs.c.agent_id.in_(_PEERS)))
)
# In the order of their ids, so that two that lock the same agents never wait for each other.
_WITH_PEERS = (
    sa.select(agents.c.id)
    .where(sa.or_(agents.c.id == sa.bindparam("agent_id"), agents.c.id.in_(_PEERS)))
    .order_by(agents.c.id)
    .with_for_update()
)


class SqlAgents:
    """The agents as one session sees them."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, agent: Agent) -> None:
        if self._session.insert_new(agents, agent_values(agent)) is None:
            raise refusals.only_name_taken("agent", agent.name)
        self._put_devices(agent)

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
        self._put_devices(agent)

    def touch(self, agent_id: str, at: datetime) -> None:
        self._session.write(_TOUCH, {"agent_id": agent_id, "at": at})

    def members(self) -> Sequence[Member]:
        return [member_of(row) for row in self._session.rows(MEMBERS)]

    def is_free(self, agent_id: str, *, exclusive: bool) -> bool:
        return bool(self._session.rows(_UNDISTURBED if exclusive else _FREE, {"agent_id": agent_id}))

    def lock_free(self, agent_id: str, *, exclusive: bool) -> bool:
        # The look is a statement of its own after the lock, and so sees what was committed until then.
        self._session.lock_rows(_WITH_PEERS, {"agent_id": agent_id})
        return self.is_free(agent_id, exclusive=exclusive)

    def _put_devices(self, agent: Agent) -> None:
        self._session.write(sa.delete(agent_devices).where(agent_devices.c.agent_id == agent.id))
        if agent.devices:
            rows = [{"device": device, "agent_id": agent.id} for device in agent.devices]
            self._session.write(sa.insert(agent_devices), rows)

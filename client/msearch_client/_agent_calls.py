"""The client's calls about profiler agents."""

from __future__ import annotations

from msearch_client._agents import Agent
from msearch_client._transport import Transport
from msearch_client._wire import agents as wire


class AgentCalls:
    """Look after profiler agents."""

    _transport: Transport

    def list_agents(self) -> tuple[Agent, ...]:
        """All agents that ever registered, by name."""
        answer = self._transport.call(self._transport.profiling.ListAgents, wire.list_agents())
        return tuple(wire.agent_from_proto(item) for item in answer.agents)

    def get_agent(self, agent: str | Agent) -> Agent:
        """One agent, by name or id.

        Raises:
            NotFoundError: there is no such agent.
        """
        request = wire.get_agent(_id_of(agent))
        return wire.agent_from_proto(self._transport.call(self._transport.profiling.GetAgent, request).agent)

    def drain_agent(self, agent: str | Agent, *, undo: bool = False) -> Agent:
        """Tells an agent to finish what it has and take no more jobs; with `undo`, to take jobs again.

        Raises:
            NotFoundError: there is no such agent.
        """
        request = wire.drain_agent(_id_of(agent), undo=undo)
        return wire.agent_from_proto(self._transport.call(self._transport.profiling.DrainAgent, request).agent)


def _id_of(agent: str | Agent) -> str:
    return agent if isinstance(agent, str) else agent.id

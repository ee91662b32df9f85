"""Messages of agents to the client's types, and the requests for them."""

from __future__ import annotations

from msearch.v1 import profiles_pb2 as pb
from msearch.v1 import profiling_service_pb2 as service
from msearch_client._agents import Agent, AgentState, BackendStatus
from msearch_client._wire.jobs import PRECISION_FROM_PROTO, read_enum
from msearch_client._wire.times import time_from_proto

STATE_FROM_PROTO: dict[pb.AgentState.ValueType, AgentState] = {
    pb.AGENT_STATE_ACTIVE: AgentState.ACTIVE,
    pb.AGENT_STATE_DRAINING: AgentState.DRAINING,
    pb.AGENT_STATE_GONE: AgentState.GONE,
}


def _backend_from_proto(message: pb.BackendStatus) -> BackendStatus:
    return BackendStatus(
        name=message.name,
        available=message.available,
        detail=message.detail,
        version=message.version,
        devices=tuple(message.devices),
        precisions=tuple(read_enum(number, PRECISION_FROM_PROTO, "precision") for number in message.precisions),
    )


def agent_from_proto(message: pb.Agent) -> Agent:
    """An agent."""
    return Agent(
        id=message.id,
        name=message.name,
        host_class=message.host_class,
        host_json=message.host_json,
        backends=tuple(_backend_from_proto(item) for item in message.backends),
        labels=dict(sorted(message.labels.items())),
        capacity=message.capacity,
        state=read_enum(message.state, STATE_FROM_PROTO, "agent state"),
        created_at=time_from_proto(message.create_time),
        last_seen_at=time_from_proto(message.last_seen_time),
        job_ids=tuple(message.job_ids),
        version=message.version,
        evaluates=tuple(message.evaluates),
        devices=tuple(message.devices),
        quarantined_until=time_from_proto(message.quarantine_end_time)
        if message.HasField("quarantine_end_time")
        else None,
        speed=message.speed,
        tier=message.tier,
    )


def list_agents() -> service.ListAgentsRequest:
    """All agents."""
    return service.ListAgentsRequest()


def get_agent(agent: str) -> service.GetAgentRequest:
    """One agent."""
    return service.GetAgentRequest(agent=agent)


def drain_agent(agent: str, *, undo: bool) -> service.DrainAgentRequest:
    """An agent that is to take no more jobs, or to take jobs again."""
    return service.DrainAgentRequest(agent=agent, undo=undo)

"""Agents and the backends they probed."""

from __future__ import annotations

from msearch.v1 import agent_service_pb2 as pb
from msearch.v1 import profiles_pb2
from search_service.api.wire.catalogue import write_model, write_sample
from search_service.api.wire.enums import AGENT_STATE_TO_PROTO, PRECISION_TO_PROTO, read_precision
from search_service.api.wire.jobs import write_job, write_lease
from search_service.api.wire.times import write_optional_time, write_time
from search_service.domain.profiling import BackendStatus
from search_service.usecases.agents import AgentReport, SeenAgent
from search_service.usecases.leases import Acquired


def write_backend(backend: BackendStatus) -> profiles_pb2.BackendStatus:
    return profiles_pb2.BackendStatus(
        name=backend.name,
        available=backend.available,
        detail=backend.detail,
        version=backend.version,
        devices=backend.devices,
        precisions=[PRECISION_TO_PROTO[precision] for precision in backend.precisions],
    )


def read_backend(message: profiles_pb2.BackendStatus, path: str) -> BackendStatus:
    """Raises InvalidArgument for an unspecified or unknown precision."""
    return BackendStatus(
        name=message.name,
        available=message.available,
        detail=message.detail,
        version=message.version,
        devices=tuple(message.devices),
        precisions=tuple(
            read_precision(number, f"{path}.precisions[{position}]")
            for position, number in enumerate(message.precisions)
        ),
    )


def write_agent(seen: SeenAgent) -> profiles_pb2.Agent:
    agent = seen.agent
    return profiles_pb2.Agent(
        id=agent.id,
        name=agent.name,
        host_class=agent.host_class,
        host_json=agent.host_json,
        backends=[write_backend(backend) for backend in agent.backends],
        labels=agent.labels,
        capacity=agent.capacity,
        state=AGENT_STATE_TO_PROTO[seen.state],
        create_time=write_time(agent.created_at),
        last_seen_time=write_time(agent.last_seen_at),
        job_ids=seen.job_ids,
        version=agent.version,
        evaluates=agent.evaluates,
        devices=agent.devices,
        quarantine_end_time=write_optional_time(seen.quarantined_until),
        speed=seen.speed,
        tier=seen.tier,
    )


def read_report(message: profiles_pb2.Agent, path: str) -> AgentReport:
    """What an agent says of itself. Raises InvalidArgument for an unspecified or unknown precision."""
    return AgentReport(
        name=message.name,
        host_class=message.host_class,
        host_json=message.host_json,
        backends=tuple(
            read_backend(backend, f"{path}.backends[{position}]") for position, backend in enumerate(message.backends)
        ),
        labels=dict(message.labels),
        capacity=message.capacity,
        version=message.version,
        evaluates=tuple(message.evaluates),
        devices=tuple(message.devices),
    )


def write_acquired(acquired: Acquired) -> pb.AcquireJobResponse:
    return pb.AcquireJobResponse(
        lease=None if acquired.lease is None else write_lease(acquired.lease),
        job=None if acquired.job is None else write_job(acquired.job),
        model=None if acquired.model is None else write_model(acquired.model),
        sample=None if acquired.sample is None else write_sample(acquired.sample),
        drain=acquired.drain,
    )

"""Use cases of agents: register, look at, drain."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from msearch_scheduling.conduct import Conduct
from search_service.domain.access import Caller, Role
from search_service.domain.errors import AlreadyExists, NotFound, PermissionDenied
from search_service.domain.ports import UnitOfWork
from search_service.domain.profiling import Agent, AgentState, BackendStatus
from search_service.usecases.fields import LONGEST_NAME, check_name, check_text, invalid
from search_service.usecases.fleet import read_fleet
from search_service.usecases.job_specs import check_host_class, check_labels
from search_service.usecases.once import Once, run_once
from search_service.usecases.profiling import Profiling

LARGEST_HOST_BYTES = 256 << 10
MOST_BACKENDS = 50
MOST_FORMATS = 50
MOST_DEVICES = 64
MOST_MEASURED_ON = 4096
LARGEST_CAPACITY = 64
LONGEST_DETAIL = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentReport:
    """What an agent says of itself. A capacity of 0 means 1."""

    name: str
    host_class: str
    host_json: str = "{}"
    backends: tuple[BackendStatus, ...] = ()
    labels: Mapping[str, str]
    capacity: int = 1
    version: str = ""
    evaluates: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenAgent:
    """An agent, where it stands now, and the jobs it holds.

    `quarantined_until`: it gets no jobs before; None where it gets them. `speed` and `tier`: as the scheduler sees it.
    """

    agent: Agent
    state: AgentState
    job_ids: tuple[str, ...]
    quarantined_until: datetime | None = None
    speed: float = 1.0
    tier: int = 0


def register_agent(profiling: Profiling, caller: Caller | None, report: AgentReport) -> SeenAgent:
    """Registers an agent, or replaces what is known of the one of that name, which keeps its id and its jobs.

    An agent that is to drain stays so: who restarts it does not take that back.

    Raises:
        InvalidArgument: a field is wrong.
        PermissionDenied: the name is taken by an agent of another token that still holds.
    """
    checked = _check_report(report)
    token_id = caller.token_id if caller is not None else ""

    def act(unit: UnitOfWork) -> tuple[str, Agent]:
        now = profiling.clock()
        try:
            known = unit.agents.lock(unit.agents.find(checked.name).id)
        except NotFound:
            agent = _described(checked, profiling.new_id("agt"), now, token_id)
            unit.agents.add(agent)
            return agent.id, agent
        _check_may_replace(unit, known, caller, now)
        changed = replace(_described(checked, known.id, now, token_id), created_at=known.created_at)
        agent = replace(changed, draining=known.draining)
        unit.agents.replace(agent)
        return agent.id, agent

    once = Once.of("RegisterAgent", "", checked)
    agent = run_once(profiling, once, act, lambda unit, agent_id: unit.agents.get(agent_id), retry_on=(AlreadyExists,))
    return get_agent(profiling, agent.id)


def list_agents(profiling: Profiling) -> Sequence[SeenAgent]:
    """All agents, by name."""
    with profiling.database.begin() as unit:
        return _seen(profiling, unit, unit.agents.all())


def get_agent(profiling: Profiling, named: str) -> SeenAgent:
    """The agent of that id or name. Raises NotFound (AGENT_NOT_FOUND)."""
    with profiling.database.begin() as unit:
        return _seen(profiling, unit, [resolve_agent(unit, named)])[0]


def drain_agent(profiling: Profiling, named: str, *, undo: bool = False) -> SeenAgent:
    """Lets the agent finish what it has and take no more, or takes that back. Raises NotFound.

    To take it back also ends its quarantine: whoever does so vouches for the agent.
    """
    with profiling.database.begin() as unit:
        agent = unit.agents.lock(resolve_agent(unit, named).id)
        if agent.draining == undo:
            agent = replace(agent, draining=not undo)
            unit.agents.replace(agent)
        if undo:
            unit.scheduling.lock_learned()
            unit.scheduling.put_conduct(agent.id, Conduct())
        unit.commit()
    return get_agent(profiling, agent.id)


def resolve_agent(unit: UnitOfWork, named: str) -> Agent:
    """The agent of that id or name. Raises NotFound."""
    try:
        return unit.agents.get(named)
    except NotFound:
        return unit.agents.find(named)


def check_own(agent: Agent, caller: Caller | None) -> None:
    """Raises PermissionDenied where a token of the role agent speaks for an agent that registered with another."""
    if caller is not None and caller.role is Role.AGENT and agent.token_id != caller.token_id:
        raise PermissionDenied(
            f"token {caller.name!r} may speak only for the agents that registered with it, not for {agent.name!r}: "
            "register first"
        )


def note_heard(profiling: Profiling, agent: Agent) -> None:
    """Notes that the agent was heard of, unless that was noted a moment ago: most polls write nothing."""
    now = profiling.clock()
    if abs(now - agent.last_seen_at) >= profiling.touch_every:
        with profiling.database.begin() as unit:
            unit.agents.touch(agent.id, now)
            unit.commit()


def _check_may_replace(unit: UnitOfWork, known: Agent, caller: Caller | None, now: datetime) -> None:
    if caller is None or caller.role is Role.ADMIN or known.token_id in ("", caller.token_id):
        return
    try:
        holds = unit.tokens.get(known.token_id).holds(now)
    except NotFound:
        holds = False
    if holds:
        raise PermissionDenied(
            f"the name {known.name!r} belongs to an agent that registered with another token: choose another name, "
            "or have that token revoked"
        )


def _seen(profiling: Profiling, unit: UnitOfWork, agents: Sequence[Agent]) -> list[SeenAgent]:
    now = profiling.clock()
    held = unit.jobs.held_by([agent.id for agent in agents])
    fleet = read_fleet(profiling, unit)
    seen = []
    for agent in agents:
        scheduled = fleet.agents[agent.name]
        quarantined = scheduled.quarantined_until > fleet.now
        seen.append(
            SeenAgent(
                agent=agent,
                state=agent.state(now, profiling.gone_after),
                job_ids=held.get(agent.id, ()),
                quarantined_until=datetime.fromtimestamp(scheduled.quarantined_until, UTC) if quarantined else None,
                speed=scheduled.speed,
                tier=scheduled.tier,
            )
        )
    return seen


def _described(report: AgentReport, id: str, now: datetime, token_id: str) -> Agent:
    return Agent(
        id=id,
        name=report.name,
        host_class=report.host_class,
        host_json=report.host_json,
        backends=report.backends,
        labels=report.labels,
        capacity=report.capacity,
        version=report.version,
        created_at=now,
        last_seen_at=now,
        token_id=token_id,
        evaluates=report.evaluates,
        devices=report.devices,
    )


def _check_report(report: AgentReport) -> AgentReport:
    if not report.host_class:
        raise invalid("agent.host_class", "must not be empty")
    capacity = report.capacity or 1
    if not 1 <= capacity <= LARGEST_CAPACITY:
        raise invalid("agent.capacity", f"must be from 1 to {LARGEST_CAPACITY}, not {capacity}")
    if len(report.backends) > MOST_BACKENDS:
        raise invalid("agent.backends", f"at most {MOST_BACKENDS}, not {len(report.backends)}")
    if len({backend.name for backend in report.backends}) != len(report.backends):
        raise invalid("agent.backends", "a backend stands twice")
    for position, backend in enumerate(report.backends):
        _check_backend(backend, f"agent.backends[{position}]")
    check_text("agent.version", report.version, LONGEST_NAME)
    return replace(
        report,
        name=check_name("agent.name", report.name),
        host_class=check_host_class(report.host_class, "agent.host_class"),
        host_json=check_json("agent.host_json", report.host_json or "{}", LARGEST_HOST_BYTES),
        labels=check_labels(report.labels, "agent.labels"),
        capacity=capacity,
        evaluates=_check_evaluates(report.evaluates),
        devices=_check_devices(report.devices),
    )


def _check_evaluates(formats: tuple[str, ...]) -> tuple[str, ...]:
    """Formats of artifacts, sorted and distinct."""
    if len(formats) > MOST_FORMATS:
        raise invalid("agent.evaluates", f"at most {MOST_FORMATS}, not {len(formats)}")
    for kind in formats:
        check_name("agent.evaluates", kind)
    return tuple(sorted(set(formats)))


def _check_devices(devices: Sequence[str]) -> tuple[str, ...]:
    if len(devices) > MOST_MEASURED_ON:
        raise invalid("agent.devices", f"at most {MOST_MEASURED_ON}, not {len(devices)}")
    for device in devices:
        check_text("agent.devices", device, LONGEST_NAME)
    return tuple(sorted(set(devices)))


def _check_backend(backend: BackendStatus, path: str) -> None:
    check_name(f"{path}.name", backend.name)
    check_text(f"{path}.detail", backend.detail, LONGEST_DETAIL)
    check_text(f"{path}.version", backend.version, LONGEST_NAME)
    if len(backend.devices) > MOST_DEVICES:
        raise invalid(f"{path}.devices", f"at most {MOST_DEVICES}, not {len(backend.devices)}")
    for device in backend.devices:
        check_text(f"{path}.devices", device, LONGEST_NAME)


def check_json(path: str, text: str, longest: int) -> str:
    """A JSON object as text."""
    check_text(path, text, longest)
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise invalid(path, "is not JSON") from None
    if not isinstance(value, dict):
        raise invalid(path, "must be a JSON object")
    return text

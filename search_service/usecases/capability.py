"""Whether a registered agent could take a job, and if none could, what is missing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from search_service.domain.errors import PreconditionFailed, Reason
from search_service.domain.profiling import Agent, AgentState, JobSpec
from search_service.domain.scheduling import needs_of, offers_of

_SHOWN = 5


def check_capable(spec: JobSpec, agents: Sequence[Agent], now: datetime, gone_after: timedelta) -> None:
    """Raises PreconditionFailed (NO_CAPABLE_AGENT) unless an agent that is not gone offers all that the job needs."""
    needs = needs_of(spec)
    present = [agent for agent in agents if agent.state(now, gone_after) is not AgentState.GONE]
    if any(needs <= offers_of(agent) for agent in present):
        return
    raise PreconditionFailed(
        f"no registered agent could take this job: {_missing(needs, spec, agents, present)}; "
        "start one that can with msearch-agent, change the job, or allow it to wait for an agent",
        Reason.NO_CAPABLE_AGENT,
    )


def _missing(needs: frozenset[str], spec: JobSpec, agents: Sequence[Agent], present: Sequence[Agent]) -> str:
    gone = [agent.name for agent in agents if agent not in present and needs <= offers_of(agent)]
    if gone:
        return f"{_some(gone)} could, but was not heard of for a while"
    if not present:
        return f"there is none now, and it needs {_some(sorted(needs))}"
    offered = frozenset[str]().union(*(offers_of(agent) for agent in present))
    nowhere = sorted(needs - offered)
    if nowhere:
        problem = f"none offers {_some(nowhere)}{_probed(spec, present)}"
    else:
        problem = f"no single one offers all of {_some(sorted(needs))}"
    return f"{problem}; registered are {_some([_described(agent) for agent in present], '; ')}"


def _described(agent: Agent) -> str:
    backends = [
        f"{backend.name} ({', '.join(backend.precisions) or 'any precision'})"
        for backend in agent.backends
        if backend.available
    ]
    labels = [f"{key}={value}" for key, value in agent.labels.items()]
    shown = f"{agent.name} on host class {agent.host_class} with {', '.join(backends) or 'no backend'}"
    return f"{shown}, labels {', '.join(labels)}" if labels else shown


def _probed(spec: JobSpec, present: Sequence[Agent]) -> str:
    """What the probes say of the backends that the job needs and that some agent lacks."""
    wanted = {variant.backend for variant in spec.variants}
    said = [
        f"{backend.name} on {agent.name}: {backend.detail}"
        for agent in present
        for backend in agent.backends
        if backend.name in wanted and not backend.available and backend.detail
    ]
    return f" ({_some(said, '; ')})" if said else ""


def _some(words: Sequence[str], separator: str = ", ") -> str:
    more = len(words) - _SHOWN
    return separator.join(words[:_SHOWN]) + (f"{separator}and {more} more" if more > 0 else "")

"""`agents`: list, show and drain profiler agents."""

from __future__ import annotations

import json as json_format
from typing import Annotated, Any

import typer

from msearch_client import Agent, AgentState, Client
from msearch_client.cli import options
from msearch_client.cli.output import count, format_time, print_fields, print_json, print_line, print_table

app = typer.Typer(help="The profiler agents.")

MOST_DEVICES = 4
"""Of those that an agent measures on, so many are shown."""

Reference = Annotated[str, typer.Argument(metavar="AGENT", help="Name or id.")]


@app.command("list")
def list_agents(*, server: options.Server = None, json: options.Json = False) -> None:
    """List agents by name, with the class of their host and the backends they can use."""
    with Client(server) as client:
        found = client.list_agents()
    if json:
        print_json({"agents": [agent.to_dict() for agent in found], "total": len(found)})
        return
    if found:
        print_table([_row(agent) for agent in found], numbers=("jobs", "tier", "speed"), wide=("labels",))
    print_line(count(len(found), "agent") + ("" if found else "; start one with `msearch-cli agent`"))


def _row(agent: Agent) -> dict[str, str]:
    return {
        "agent": agent.name,
        "state": _state(agent),
        "host class": agent.host_class,
        "backends": ", ".join(backend.name for backend in agent.backends if backend.available) or "none",
        "jobs": f"{len(agent.job_ids)}/{agent.capacity}",
        "tier": str(agent.tier),
        "speed": f"{agent.speed:.2g}",
        "last seen": format_time(agent.last_seen_at),
        "labels": ", ".join(f"{key}={value}" for key, value in agent.labels.items()),
    }


def _state(agent: Agent) -> str:
    if agent.quarantined_until is None:
        return agent.state.value
    return f"{agent.state}, quarantined until {format_time(agent.quarantined_until)}"


def _devices(agent: Agent) -> str:
    more = len(agent.devices) - MOST_DEVICES
    return ", ".join(agent.devices[:MOST_DEVICES]) + (f" and {more} more" if more > 0 else "")


@app.command()
def show(agent: Reference, *, server: options.Server = None, json: options.Json = False) -> None:
    """Show everything about one agent: its host, and each backend or why it is not available there."""
    with Client(server) as client:
        found = client.get_agent(agent)
    print_agent(found, json=json)


def print_agent(agent: Agent, *, json: bool) -> None:
    """An agent as JSON or for people."""
    if json:
        print_json(agent.to_dict())
        return
    print_fields(
        {
            "agent": agent.name,
            "id": agent.id,
            "state": _state(agent),
            "host class": agent.host_class,
            "tier": f"{agent.tier}, 0 for the fastest hosts",
            "speed": f"{agent.speed:.3g}, 1 for the average agent",
            "measures on": _devices(agent),
            "labels": ", ".join(f"{key}={value}" for key, value in agent.labels.items()),
            "jobs": "\n".join(agent.job_ids) or f"none of at most {agent.capacity}",
            "version": agent.version,
            "evaluates": ", ".join(agent.evaluates) or "no models",
            "registered": format_time(agent.created_at),
            "last seen": format_time(agent.last_seen_at),
        }
    )
    if agent.backends:
        print_line()
        print_table(
            [
                {
                    "backend": backend.name,
                    "available": "yes" if backend.available else "no",
                    "version": backend.version,
                    "devices": ", ".join(backend.devices),
                    "precisions": ", ".join(backend.precisions),
                    "detail": backend.detail,
                }
                for backend in agent.backends
            ]
        )
    facts = dict(_flatten(agent.host))
    if facts:
        print_line()
        print_line("host")
        print_fields({f"  {name}": value for name, value in facts.items()})


def _flatten(value: Any, path: str = "") -> list[tuple[str, str]]:
    """A fingerprint as names and texts: nested keys joined by dots, lists in one line."""
    if isinstance(value, dict):
        return [pair for key, item in value.items() for pair in _flatten(item, f"{path}.{key}" if path else str(key))]
    if isinstance(value, list):
        plain = all(isinstance(item, (str, int, float)) for item in value)
        return [(path, ", ".join(map(str, value)) if plain else json_format.dumps(value))]
    return [] if value is None else [(path, str(value))]


@app.command()
def drain(
    agent: Reference,
    *,
    undo: Annotated[bool, typer.Option("--undo", help="Let it take jobs again.")] = False,
    server: options.Server = None,
    json: options.Json = False,
) -> None:
    """Tell an agent to finish what it has and take no more jobs."""
    with Client(server) as client:
        found = client.drain_agent(agent, undo=undo)
    if json:
        print_json(found.to_dict())
    elif found.state is AgentState.DRAINING:
        print_line(f"{found.name} drains: {count(len(found.job_ids), 'job')} left")
    else:
        print_line(f"{found.name} is {found.state}")

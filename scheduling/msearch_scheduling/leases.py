"""Exclusive leases of devices: what measures never shares a device with anything else that measures.

A device is named host and all, as in "host-7/cuda:0". Where the processor disturbs what runs on an accelerator of the
same host, its agents name "host-7/cpu" as well. A job that measures nothing on its host is not exclusive: it holds no
device, and waits for none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msearch_scheduling.work import Agent


def held_devices(agents: Iterable[Agent]) -> dict[str, str]:
    """Which job holds which device, by device."""
    return {
        device: agent.running.id
        for agent in agents
        if agent.running is not None and agent.running.exclusive
        for device in agent.devices
    }


def lease_conflict(agent: Agent, held: Mapping[str, str], *, exclusive: bool = True) -> str:
    """Why the agent may not start a job now, one that needs its devices or one that does not; "" where it may."""
    if agent.running is not None:
        return f"agent {agent.id} runs job {agent.running.id}"
    if not exclusive:
        return ""
    taken = sorted(device for device in agent.devices if device in held)
    return f"job {held[taken[0]]} holds device {taken[0]}" if taken else ""

"""Drives any scenario but find_peak, which is many runs (`find_peak`)."""

from __future__ import annotations

from dataclasses import replace

from profiler_agent.errors import InvalidLoad
from profiler_agent.loadgen.clock import MONOTONIC, Clock
from profiler_agent.loadgen.closed_loop import drive_clients
from profiler_agent.loadgen.load_text import NO_NETWORK_OFFLINE
from profiler_agent.loadgen.network import Journey
from profiler_agent.loadgen.open_loop import drive_schedule
from profiler_agent.loadgen.requests import Requests
from profiler_agent.loadgen.schedule import draw_schedule
from profiler_agent.loadgen.target import Target
from profiler_agent.work import Load, RunLimits, Scenario


def drive(
    target: Target,
    load: Load,
    limits: RunLimits,
    *,
    seed: int,
    workers: int = 1,
    clock: Clock = MONOTONIC,
    journey: Journey | None = None,
) -> Requests:
    """Drives the load at the target, for at least the least duration and queries, at most the longest duration.

    `workers` calls at a time in the open loop, for targets that take several; a closed loop makes one at a time.
    `journey` is the network between clients and target: requests count as scheduled for when they reach the target, and
    it knows when clients sent them.

    Raises:
        InvalidLoad: a load that cannot be.
    """
    if load.scenario is Scenario.FIND_PEAK:
        raise InvalidLoad("find_peak is a search over runs of the scenario server, not one run")
    if load.streams < 1:
        raise InvalidLoad(f"{load.scenario} needs at least 1 stream, not {load.streams}")
    if load.scenario is not Scenario.SERVER:
        if journey is not None and load.scenario is Scenario.OFFLINE:
            raise InvalidLoad(NO_NETWORK_OFFLINE)
        return drive_clients(target, load, limits, seed=seed, clock=clock, journey=journey)
    schedule = draw_schedule(
        load,
        duration_s=limits.min_duration_s,
        min_queries=limits.min_queries,
        pool=target.samples,
        seed=seed,
    )
    if journey is not None:
        schedule = replace(schedule, offsets_ns=journey.arrive(schedule.offsets_ns))
    return drive_schedule(
        target,
        schedule,
        max_duration_s=limits.max_duration_s,
        batching=load.batching,
        workers=workers,
        clock=clock,
    )

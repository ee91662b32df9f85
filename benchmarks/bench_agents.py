"""Many agents, one service: how long AcquireJob takes while 200 simulated agents poll and jobs flow, on PostgreSQL.

    python -m benchmarks.bench_agents [--quick]

Each agent registers, then asks for a job at the interval the service told it, from a connection of its own. Meanwhile
jobs are submitted at a steady rate; whoever gets one completes it at once.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import grpc

from benchmarks.databases import running_postgres
from benchmarks.report import Report, Timing, print_table
from benchmarks.service_under_test import running
from msearch.v1 import agent_service_pb2 as agents
from msearch.v1 import profiles_pb2 as profiles
from msearch.v1 import profiling_service_pb2 as profiling
from msearch.v1.agent_service_pb2_grpc import AgentServiceStub
from msearch.v1.profiling_service_pb2_grpc import ProfilingServiceStub

AGENTS = 200
SECONDS = 30.0
JOBS_PER_S = 5.0
LIMIT_S = 0.1
CHANNELS = 20
"""Connections in all; gRPC carries many agents' calls on one, and 200 sockets would measure this process instead."""


@dataclass
class Tally:
    """What the agents saw, in seconds, and how many jobs they did."""

    polls: list[float] = field(default_factory=list)
    grants: list[float] = field(default_factory=list)
    completed: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="20 agents, 5 seconds; the bar then proves nothing")
    quick = parser.parse_args().quick
    count, seconds = (20, 5.0) if quick else (AGENTS, SECONDS)
    report = Report("agents", quick=quick)
    with tempfile.TemporaryDirectory() as folder, running_postgres() as url:
        data = Path(folder) / "service"
        data.mkdir()
        with running(data, database=url) as address, _channels(address) as channels:
            tally, submitted = _poll(channels, count, seconds)
    polls, grants = Timing(tuple(tally.polls)), Timing(tuple(tally.grants))
    rows = [
        [name, f"{len(timing.seconds)}", *(f"{timing.percentile(percent) * 1e3:.2f}" for percent in (50, 90, 99, 100))]
        for name, timing in (("found nothing", polls), ("got a job", grants))
        if timing.seconds
    ]
    print(f"\n{count} agents for {seconds:g} s, {submitted} jobs submitted, {tally.completed} completed")
    print_table(["AcquireJob, ms", "calls", "p50", "p90", "p99", "max"], rows)
    both = Timing((*polls.seconds, *grants.seconds))
    report.figure("agents", count)
    report.figure("polls", len(both.seconds))
    report.figure("jobs_submitted", submitted)
    report.figure("jobs_completed", tally.completed)
    report.figure("acquire_ms", {f"p{percent}": both.percentile(percent) * 1e3 for percent in (50, 90, 99, 100)})
    report.figure("acquire_mean_ms", statistics.fmean(both.seconds) * 1e3)
    report.bar("acquire_job_p99_s", both.percentile(99), limit=LIMIT_S)
    report.bar("jobs_left_undone", submitted - tally.completed, limit=0)
    return report.finish()


@contextmanager
def _channels(address: str) -> Iterator[list[grpc.Channel]]:
    # Without the option equal channels share one connection.
    options = [("grpc.use_local_subchannel_pool", 1)]
    channels = [grpc.insecure_channel(address, options=options) for _ in range(CHANNELS)]
    try:
        yield channels
    finally:
        for channel in channels:
            channel.close()


def _poll(channels: list[grpc.Channel], count: int, seconds: float) -> tuple[Tally, int]:
    """Lets the agents poll, and submits jobs until shortly before the end."""
    tally, stopping = Tally(), threading.Event()
    threads = [
        threading.Thread(target=_agent, args=(channels[number % len(channels)], number, count, tally, stopping))
        for number in range(count)
    ]
    for thread in threads:
        thread.start()
    time.sleep(1.0)  # all have registered
    service = ProfilingServiceStub(channels[0])
    submitted = 0
    started = time.monotonic()
    while (elapsed := time.monotonic() - started) < seconds:
        if submitted < JOBS_PER_S * min(elapsed, seconds - 3):
            service.SubmitJob(profiling.SubmitJobRequest(spec=_spec()))
            submitted += 1
        time.sleep(0.02)
    stopping.set()
    for thread in threads:
        thread.join()
    return tally, submitted


def _agent(channel: grpc.Channel, number: int, count: int, tally: Tally, stopping: threading.Event) -> None:
    stub = AgentServiceStub(channel)
    answer = stub.RegisterAgent(agents.RegisterAgentRequest(agent=_describe(number)))
    interval = answer.poll_interval.seconds + answer.poll_interval.nanos / 1e9
    stopping.wait(interval * number / count)  # as agents that were not started together
    while not stopping.is_set():
        started = time.perf_counter()
        got = stub.AcquireJob(agents.AcquireJobRequest(agent_id=answer.agent.id))
        taken = time.perf_counter() - started
        with tally.lock:
            (tally.grants if got.HasField("lease") else tally.polls).append(taken)
        if got.HasField("lease"):
            stub.CompleteJob(agents.CompleteJobRequest(lease=got.lease, profiles=[_profile()]))
            with tally.lock:
                tally.completed += 1
            continue
        stopping.wait(interval)


def _describe(number: int) -> profiles.Agent:
    backend = profiles.BackendStatus(name="null", available=True, devices=["cpu"], precisions=[profiles.PRECISION_FP32])
    return profiles.Agent(
        name=f"simulated-{number:03}", host_class="simulated", host_json="{}", backends=[backend], capacity=1
    )


def _spec() -> profiles.JobSpec:
    return profiles.JobSpec(
        variants=[profiles.Variant(backend="null", precision=profiles.PRECISION_FP32)],
        loads=[profiles.Load(scenario=profiles.SCENARIO_SINGLE_STREAM)],
    )


def _profile() -> profiles.Profile:
    """A report as small as one can be."""
    return profiles.Profile(
        variant=profiles.Variant(backend="null", precision=profiles.PRECISION_FP32),
        load=profiles.Load(scenario=profiles.SCENARIO_SINGLE_STREAM),
        load_text="single_stream",
        verdict=profiles.VERDICT_VALID,
        offer=profiles.OFFER_OFFERED,
        verified_on="generated",
    )


if __name__ == "__main__":
    sys.exit(main())

"""How long the service's scheduler decides with 10,000 jobs and 100 agents in a database, SQLite and PostgreSQL.

python -m benchmarks.bench_scheduler_store [--quick]

Each decision is a unit of work of its own that reads everything it goes by, as a call to the service does: the agents,
what they run and how fast they were, what waits for them, and how far estimates are trusted.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np

from benchmarks.databases import running_postgres
from benchmarks.report import Report, Timing, print_table
from search_service.domain import jobs as transitions
from search_service.domain.jobs import Job, SizeEstimate
from search_service.domain.ports import Database, UnitOfWork
from search_service.domain.profiling import Agent, BackendStatus, JobSpec, Load, Precision, Scenario, Variant
from search_service.storage import migrate, open_database
from search_service.usecases.dispatching import take_job
from search_service.usecases.placing import Placer
from search_service.usecases.profiling import Profiling

QUEUED = 10_000
AGENTS = 100
DECISIONS = 500
LIMIT_MS = 10.0
NOW = datetime(2026, 1, 1, tzinfo=UTC)
BACKENDS = tuple(
    BackendStatus(name=name, available=True, version="1", devices=("cpu",), precisions=tuple(Precision))
    for name in ("onnxruntime", "openvino", "torch", "inductor")
)
SPEC = JobSpec(
    model_id="",
    variants=(Variant(backend="onnxruntime"), Variant(backend="onnxruntime", precision=Precision.INT8_STATIC)),
    loads=(Load(scenario=Scenario.SINGLE_STREAM), Load(scenario=Scenario.SERVER, rate_per_s=100.0)),
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="1,000 jobs, few decisions; the bars then prove nothing")
    quick = parser.parse_args().quick
    report = Report("scheduler_store", quick=quick)
    queued, count = (1_000, 50) if quick else (QUEUED, DECISIONS)
    rows = []
    with tempfile.TemporaryDirectory() as folder, running_postgres() as postgres:
        for engine, url in (("sqlite", f"sqlite:///{folder}/msearch.db"), ("postgresql", postgres)):
            timings = decide(url, queued, count)
            for name, timing in timings.items():
                figures = {f"p{percent}_ms": 1e3 * timing.percentile(percent) for percent in (50, 90, 99)}
                rows.append([f"{engine}, {name}", *(f"{value:.2f}" for value in figures.values())])
                report.figure(f"{engine}, {name}", figures)
            placement = timings["place a new job"].percentile(99)
            report.bar(f"scheduler_placement_p99_ms_{engine}", 1e3 * placement, limit=LIMIT_MS)
    print_table([f"{queued:,} jobs, {AGENTS} agents", "p50 ms", "p90 ms", "p99 ms"], rows)
    return report.finish()


def decide(url: str, queued: int, count: int) -> dict[str, Timing]:
    """The times of each kind of decision, on a database that is filled first."""
    migrate(url)
    database = open_database(url)
    generator = np.random.default_rng(1)
    site = Site(database, generator)
    agents = [an_agent(number, generator) for number in range(AGENTS)]
    site.fill(agents, queued)
    idle = replace(an_agent(AGENTS, generator), id="idle", name="idle")
    nothing = replace(idle, id="nothing", name="nothing", backends=BACKENDS[1:])
    full = agents[0]
    with database.begin() as unit:
        unit.agents.add(idle)
        unit.agents.add(nothing)
        unit.commit()
    with database.begin() as unit:
        take_job(site.profiling, unit, full)
        unit.commit()
    timed: dict[str, Callable[[int], object]] = {
        "place a new job": lambda n: site.undone(lambda unit: Placer(site.profiling, unit).place(site.job(n))),
        "next of an agent's own jobs": lambda n: site.undone(
            lambda unit: take_job(site.profiling, unit, agents[1 + n % (AGENTS - 1)])
        ),
        "take over, of all jobs": lambda _: site.undone(lambda unit: take_job(site.profiling, unit, idle)),
        "poll of a busy agent": lambda _: site.undone(lambda unit: take_job(site.profiling, unit, full)),
        "poll that fits no job": lambda _: site.undone(lambda unit: take_job(site.profiling, unit, nothing)),
    }
    timings = {}
    for name, act in timed.items():
        for number in range(5):
            act(number)
        seconds = []
        for number in range(count):
            start = time.perf_counter()
            act(number)
            seconds.append(time.perf_counter() - start)
        timings[name] = Timing(tuple(seconds))
    database.close()
    return timings


@dataclass(slots=True)
class Site:
    """A service over a database, at one moment."""

    database: Database
    generator: np.random.Generator

    @property
    def profiling(self) -> Profiling:
        return Profiling(
            database=self.database,
            blobs=None,  # type: ignore[arg-type]  # nothing is fetched here
            clock=lambda: NOW,
            new_id=lambda prefix: prefix,
            wait=lambda _: True,
        )

    def job(self, number: int) -> Job:
        """A job of a size drawn from the exponential of mean 30 s."""
        size_s = float(self.generator.exponential(30.0)) + 0.1
        user = f"user-{number % 5}"
        return transitions.submit(
            f"job-{number}", SPEC, max_attempts=3, now=NOW, submitted_by=user, estimate=SizeEstimate(seconds=size_s)
        )

    def fill(self, agents: list[Agent], queued: int) -> None:
        """Registers the agents and places the jobs."""
        with self.database.begin() as unit:
            for agent in agents:
                unit.agents.add(agent)
            unit.commit()
        with self.database.begin() as unit:
            placer = Placer(self.profiling, unit)
            for number in range(queued):
                unit.jobs.add(placer.place(self.job(number)))
            unit.commit()

    def undone(self, act: Callable[[UnitOfWork], object]) -> None:
        """Does something in a unit of work that is never committed, so that the next finds the same."""
        with self.database.begin() as unit:
            act(unit)


def an_agent(number: int, generator: np.random.Generator) -> Agent:
    peak = float(generator.uniform(50, 2000))
    return Agent(
        id=f"agent-{number:03}",
        name=f"agent-{number:03}",
        host_class=f"epyc-{number % 7}-16cpu-64gib",
        host_json=json.dumps({"peaks": [{"threads": 16, "gflop_per_s": peak, "gb_per_s": 80.0}]}),
        backends=BACKENDS,
        labels={"room": f"room-{number % 3}", "rack": f"{number % 10}"},
        capacity=1,
        version="0.1.0",
        created_at=NOW,
        last_seen_at=NOW,
        devices=tuple(f"host-{number}/cpu{cpu}" for cpu in range(16)),
    )


if __name__ == "__main__":
    sys.exit(main())

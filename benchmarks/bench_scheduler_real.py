"""The scheduler at work: a service, three agents and 100 short jobs, beside the simulation of the same jobs.

python -m benchmarks.bench_scheduler_real [--quick]

The jobs run on the backend null, which sleeps, for times drawn from the exponential; they come as a Poisson process at
a load of 0.8. A few jobs before them teach the service how long such jobs take. The simulation is then given when each
job came, how long it really took, and what the service had estimated, and runs the same policy: what the two differ by
is what the service adds, from the calls of agents to decisions on stale news.

Meanwhile the service is killed and started again while jobs wait: the queue must be as it was.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np

from benchmarks.report import Report, print_table
from benchmarks.service_under_test import running
from msearch_client import Client, Job, JobState, RunLimits
from msearch_scheduling.simulator import Settings
from msearch_scheduling.simulator.baseline import round_robin
from msearch_scheduling.simulator.engine import simulate_policy
from msearch_scheduling.simulator.workload import Workload
from msearch_scheduling.trust import Trust
from search_service.domain.jobs import JobFilter
from search_service.domain.jobs import JobState as StoredState
from search_service.storage import open_database

AGENTS = 3
JOBS, QUICK_JOBS = 100, 18
MEAN_S, QUICK_MEAN_S = 6.0, 2.0
"""Of the seconds that a job sleeps for; what an agent adds comes on top."""

LOAD = 0.8
TAUGHT = 12
"""Jobs that run before, so that sizes are known."""

LIMIT = 0.15
TIMEOUT_S = 3600.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="18 jobs of 2 s; the bars then prove nothing")
    quick = parser.parse_args().quick
    count, mean_s = (QUICK_JOBS, QUICK_MEAN_S) if quick else (JOBS, MEAN_S)
    report = Report("scheduler_real", quick=quick)
    generator = np.random.default_rng(1)
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        database = f"sqlite:///{folder}/data/msearch.db"
        lost = _restart(folder, generator, mean_s)
        address = stack.enter_context(running(folder / "data", database))
        client = stack.enter_context(Client(address))
        agents = [stack.enter_context(_agent(address, folder, f"agent-{number}")) for number in range(AGENTS)]
        _until_registered(client, len(agents))
        taught = _finished(client, [_submit(client, mean_s * size) for size in generator.exponential(size=TAUGHT)])
        added_s = float(np.mean([_took_s(job) for job in taught])) - mean_s
        trust = _trust(database)
        print(f"{AGENTS} agents add {added_s:.2f} s to a job; {trust.reason}")
        jobs = _finished(client, _come(client, generator, count, mean_s, gap_s=(mean_s + added_s) / (LOAD * AGENTS)))
    _compare(report, jobs, trust)
    report.figure("added_s", added_s)
    report.bar("scheduler_queue_lost_in_restart", lost, limit=0)
    return report.finish()


def _compare(report: Report, jobs: Sequence[Job], trust: Trust) -> None:
    """The real run beside its simulation, and beside round robin + first come first served on the same jobs."""
    failed = sum(job.state is not JobState.SUCCEEDED for job in jobs)
    began = min(job.created_at for job in jobs)
    workload = Workload(
        arrivals=np.array([(job.created_at - began).total_seconds() for job in jobs]),
        sizes=np.array([_took_s(job) for job in jobs]),
        estimates=np.array([job.estimate.seconds for job in jobs]),
        users=("",) * len(jobs),
    )
    speeds = (1.0,) * AGENTS
    simulated = simulate_policy(workload, speeds, Settings(trust=trust)).schedule.finished - workload.arrivals
    baseline = round_robin(workload, speeds).finished - workload.arrivals
    real = np.array([_completion_s(job) for job in jobs])
    figures = {
        "real": real, "simulated": simulated, "round robin, simulated": baseline, "sizes": workload.sizes,
        "estimates": workload.estimates,
    }  # fmt: skip
    rows = [[name, *(f"{value:.2f}" for value in _summary(values).values())] for name, values in figures.items()]
    print_table(["s", "mean", "p50", "p95", "max"], rows)
    report.figure("completion_s", {name: _summary(values) for name, values in figures.items()})
    errors = np.log(workload.sizes / workload.estimates)
    report.figure("estimates_off_by_sigma", float(errors.std()))
    ratios = {"real": float(baseline.mean() / real.mean()), "simulated": float(baseline.mean() / simulated.mean())}
    report.figure("ratio_to_round_robin", ratios)
    report.bar("scheduler_real_off_simulation", abs(real.mean() / simulated.mean() - 1), limit=LIMIT)
    report.bar("scheduler_real_jobs_failed", failed, limit=0)


def _summary(values: np.ndarray) -> dict[str, float]:
    p50, p95 = np.percentile(values, [50, 95])
    return {"mean": float(values.mean()), "p50": float(p50), "p95": float(p95), "max": float(values.max())}


def _submit(client: Client, seconds: float) -> Job:
    limits = RunLimits(min_duration_s=max(0.05, float(seconds)), min_queries=1, repeats=1)
    return client.submit_job(variants="null mode=constant:5ms", limits=limits, allow_waiting=True)


def _come(client: Client, generator: np.random.Generator, count: int, mean_s: float, *, gap_s: float) -> list[Job]:
    """Submits the jobs as they come."""
    times = np.cumsum(generator.exponential(gap_s, count))
    sizes = generator.exponential(mean_s, count)
    jobs, began = [], time.monotonic()
    for due, size in zip(times, sizes, strict=True):
        time.sleep(max(0.0, due - (time.monotonic() - began)))
        jobs.append(_submit(client, size))
    return jobs


def _finished(client: Client, jobs: Sequence[Job]) -> list[Job]:
    """The jobs once all have ended, each with the estimate that it was leased with."""
    deadline = time.monotonic() + TIMEOUT_S
    ended: list[Job] = []
    for job in jobs:
        while not (found := client.get_job(job)).ended:
            if time.monotonic() > deadline:
                raise RuntimeError(f"{job.id} did not end: {client.explain_job(job).why}")
            time.sleep(0.5)
        ended.append(found)
    return ended


def _took_s(job: Job) -> float:
    return job.took.total_seconds() if job.took is not None else float("nan")


def _completion_s(job: Job) -> float:
    return (job.ended_at - job.created_at).total_seconds() if job.ended_at is not None else float("nan")


def _trust(database: str) -> Trust:
    stored = open_database(database)
    with stored.begin() as unit:
        learned = unit.scheduling.learned()
    stored.close()
    return learned.trust


def _restart(folder: Path, generator: np.random.Generator, mean_s: float) -> int:
    """Kills a service in whose queue jobs wait, and starts it again: how many entries of it are not as before."""
    data = folder / "restart"
    data.mkdir()
    (folder / "data").mkdir()
    database = f"sqlite:///{data}/msearch.db"
    with running(data, database, end=signal.SIGKILL) as address, Client(address) as client:
        for number, size in enumerate(generator.exponential(mean_s, 50)):
            _submit(client, size)
            if number % 10 == 0:
                client.submit_job(variants="null", priority=number, experiment_id="e", allow_waiting=True)
        before = _queue(database)
    with running(data, database) as address, Client(address) as client:
        shown = client.list_jobs(state="pending").total
        after = _queue(database)
    lost = len(set(before) ^ set(after)) + abs(shown - len(before))
    print(f"{len(before)} jobs waited when the service was killed, {shown} when it was back; {lost} differ")
    return lost


def _queue(database: str) -> list[str]:
    """Everything about each pending job, as text."""
    stored = open_database(database)
    with stored.begin() as unit:
        queued = {job.job_id: job for job in unit.queue.placed_on("")}
        found = [
            f"{job} {queued.get(job.id)}"
            for job in unit.jobs.page(JobFilter(state=StoredState.PENDING), None, 1000).items
        ]
    stored.close()
    return found


@contextmanager
def _agent(address: str, folder: Path, name: str) -> Iterator[None]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MSEARCH_")}
    command = [sys.executable, "-m", "profiler_agent", "run", "--server", address, "--name", name]
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--data-dir", str(folder / "agents")],
            stdout=log, stderr=log, env=environment, start_new_session=True,
        )  # fmt: skip
        try:
            yield
        finally:
            process.terminate()
            process.wait(60)


def _until_registered(client: Client, count: int) -> None:
    deadline = time.monotonic() + 300
    while len(client.list_agents()) < count:
        if time.monotonic() > deadline:
            raise RuntimeError("the agents did not register")
        time.sleep(0.2)


if __name__ == "__main__":
    sys.exit(main())

"""How late the load generator sends, beside MLCommons LoadGen: same Python target, same rates, alternating runs.

    python -m benchmarks.bench_dispatch [--quick]

The target does nothing, so what is measured is the instrument. Both run the Server scenario with Poisson arrivals.
LoadGen runs without its trace, which would delay it, and in both ways a Python target can be written: answering within
the issuing callback, and in a worker thread as ours does; the bar is against the better of the two.

Its own figures, without a bar: how fast requests can be sent at all, how long a request to a target that does nothing
takes (what the instrument adds to every latency), and the cores it uses.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Sequence

import numpy as np

from benchmarks.peers.mlperf_loadgen_server import SAMPLES, issue_delays
from benchmarks.report import Report, print_table
from profiler_agent.loadgen.open_loop import drive_schedule
from profiler_agent.loadgen.requests import Requests
from profiler_agent.loadgen.scenarios import drive
from profiler_agent.loadgen.schedule import draw_schedule
from profiler_agent.work import Load, RunLimits, Scenario

RATES = (100, 1000, 5000, 10_000)
REPEATS = 7
PERCENTS = (50, 99)
WAYS = {"ours": "msearch", "worker": "LoadGen, worker thread", "inline": "LoadGen, in the callback"}
BURST = 50_000


class Nothing:
    """Answers at once."""

    samples = SAMPLES

    def run(self, samples: Sequence[int]) -> None:
        """Nothing."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="3 short runs; the bars then prove nothing")
    quick = parser.parse_args().quick
    report = Report("dispatch", quick=quick)
    rows, cores, own = [], [], []
    for rate in RATES:
        seconds = 1.0 if quick else max(2.0, 600 / rate)
        delays: dict[str, list[tuple[float, ...]]] = {way: [] for way in WAYS}
        used = []
        for repeat in range(3 if quick else REPEATS):
            requests, busy = _ours(rate, seconds, repeat)
            used.append(busy)
            delays["ours"].append(_percentiles(requests.dispatch_ns))
            own.append(_percentiles(requests.response_ns))
            for way in ("worker", "inline"):
                late = issue_delays(Nothing().run, rate, seconds, inline=way == "inline", seed=repeat + 1)
                delays[way].append(_percentiles(late))
        cores.append(statistics.median(used))
        report.figure(f"dispatch_us_{rate}", delays)
        for place, percent in enumerate(PERCENTS):
            medians = {way: statistics.median(found[place] for found in runs) for way, runs in delays.items()}
            rows.append([f"{rate:,}/s p{percent}", *(f"{medians[way]:.1f}" for way in WAYS)])
            best = min(medians["worker"], medians["inline"])
            report.bar(f"dispatch_p{percent}_{rate}_over_loadgen", medians["ours"] / best, limit=1.0)
    print_table(["dispatch delay, us", *WAYS.values()], rows)
    report.bar("dispatch_cores_used", max(cores), limit=1.0)
    sent, answered = _burst()
    report.figure("most_sent_per_s", sent)
    report.figure("most_answered_per_s", answered)
    report.figure(
        "own_latency_us", {f"p{percent}": value for percent, value in zip(PERCENTS, _middle(own), strict=True)}
    )
    report.figure("cores_used", dict(zip(map(str, RATES), cores, strict=True)))
    print(f"\nat most {sent:,.0f} requests/s are sent and {answered:,.0f} answered; ", end="")
    print(
        f"a request to a target that does nothing takes {_middle(own)[0]:.1f} us (p50), {_middle(own)[1]:.1f} us (p99)"
    )
    print("cores used: " + ", ".join(f"{used:.2f} at {rate:,}/s" for rate, used in zip(RATES, cores, strict=True)))
    return report.finish()


def _percentiles(nanoseconds: np.ndarray) -> tuple[float, ...]:
    """In microseconds."""
    return tuple(float(np.percentile(nanoseconds, percent)) / 1e3 for percent in PERCENTS)


def _middle(runs: Sequence[tuple[float, ...]]) -> tuple[float, ...]:
    return tuple(statistics.median(column) for column in zip(*runs, strict=True))


def _ours(rate: float, seconds: float, seed: int) -> tuple[Requests, float]:
    """A run, and the cores used meanwhile."""
    limits = RunLimits(min_duration_s=seconds, min_queries=1)
    load = Load(scenario=Scenario.SERVER, rate_per_s=rate)
    wall, cpu = time.perf_counter(), time.process_time()
    requests = drive(Nothing(), load, limits, seed=seed)
    used = (time.process_time() - cpu) / (time.perf_counter() - wall)
    return requests, used


def _burst() -> tuple[float, float]:
    """Requests a second that can be sent and answered when all are due at once."""
    load = Load(scenario=Scenario.SERVER, arrival="trace", trace_s=(0.0,) * BURST)
    schedule = draw_schedule(load, duration_s=0.0, min_queries=0, pool=SAMPLES, seed=1)
    sent, answered = [], []
    for _ in range(3):
        done = drive_schedule(Nothing(), schedule, max_duration_s=60.0, most_in_flight=2 * BURST)
        sent.append(BURST / (int(done.sent_ns.max()) / 1e9))
        answered.append(BURST / (int(done.finished_ns.max()) / 1e9))
    return statistics.median(sent), statistics.median(answered)


if __name__ == "__main__":
    sys.exit(main())

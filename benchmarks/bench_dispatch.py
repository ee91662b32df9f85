"""How late the load generator sends, beside MLCommons LoadGen: same Python target, same rates, alternating runs.

    python -m benchmarks.bench_dispatch [--quick]

The target does nothing, so what is measured is the instrument. Both run the Server scenario with Poisson arrivals.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Sequence

import numpy as np

from benchmarks.peers.mlperf_loadgen_server import SAMPLES, run_server
from benchmarks.report import Report, print_table
from profiler_agent.loadgen.scenarios import drive
from profiler_agent.work import Load, RunLimits, Scenario

RATES = (100, 1000, 5000, 10_000)
REPEATS = 7
SECONDS = 4.0
PERCENTS = (50, 99)


class Nothing:
    """Answers at once."""

    samples = SAMPLES

    def run(self, samples: Sequence[int]) -> None:
        """Nothing."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="3 short runs; the bars then prove nothing")
    quick = parser.parse_args().quick
    repeats, seconds = (3, 1.0) if quick else (REPEATS, SECONDS)
    report = Report("dispatch", quick=quick)
    rows, most_cores = [], 0.0
    for rate in RATES:
        ours: dict[int, list[float]] = {percent: [] for percent in PERCENTS}
        theirs: dict[int, list[float]] = {percent: [] for percent in PERCENTS}
        cores = []
        for repeat in range(repeats):
            delays, used = _ours(rate, seconds, repeat)
            cores.append(used)
            peer = run_server(Nothing().run, rate, seconds, inline=False, seed=repeat + 1)
            for percent in PERCENTS:
                ours[percent].append(float(np.percentile(delays, percent)) / 1e3)
                theirs[percent].append(float(np.percentile(peer.delay_ns, percent)) / 1e3)
        most_cores = max(most_cores, statistics.median(cores))
        for percent in PERCENTS:
            mine, its = statistics.median(ours[percent]), statistics.median(theirs[percent])
            spread = f"{min(theirs[percent]):.1f} to {max(theirs[percent]):.1f}"
            rows.append([f"{rate:,}/s p{percent}", f"{mine:.1f}", f"{its:.1f}", spread])
            report.figure(f"dispatch_us_{rate}_p{percent}", {"ours": ours[percent], "loadgen": theirs[percent]})
            report.bar(f"dispatch_p{percent}_{rate}_over_loadgen", mine / its, limit=1.0)
    print_table(["dispatch delay, us", "msearch", "LoadGen", "LoadGen's own spread"], rows)
    report.bar("dispatch_cores_used", most_cores, limit=1.0)
    return report.finish()


def _ours(rate: float, seconds: float, seed: int) -> tuple[np.ndarray, float]:
    """Dispatch delays in nanoseconds, and cores used meanwhile."""
    limits = RunLimits(min_duration_s=seconds, min_queries=1)
    load = Load(scenario=Scenario.SERVER, rate_per_s=rate)
    wall, cpu = time.perf_counter(), time.process_time()
    requests = drive(Nothing(), load, limits, seed=seed)
    used = (time.process_time() - cpu) / (time.perf_counter() - wall)
    return requests.dispatch_ns, used


if __name__ == "__main__":
    sys.exit(main())

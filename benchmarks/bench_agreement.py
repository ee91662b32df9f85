"""Does the load generator measure what MLCommons LoadGen measures, and how soon does it know?

    python -m benchmarks.bench_agreement [--quick]

For each pair of runs LoadGen draws the arrivals, and ours replays right after, as a trace, when LoadGen issued them.
Latencies of both count from these times: LoadGen's delay in issuing, about 70 us, is `bench_dispatch`'s concern, and
would be 7 % of the smaller model's time. The ratio to latencies from LoadGen's own schedule is kept as a figure. The
model runs on ONNX Runtime with one thread; a worker thread answers for both.

Then: how long until the median of single_stream on the smaller model is known to within 3 % at 95 % confidence, against
LoadGen's default minimum duration. Once from medians of successive windows in one process, which is what LoadGen's
duration means, and once as the agent does it, with a fresh process a run, its start included.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np

from benchmarks.peers.mlperf_loadgen_server import run_server
from benchmarks.perceptron import Perceptron, perceptron_of, single_stream_p50
from benchmarks.report import Report, print_table
from profiler_agent.loadgen.open_loop import drive_schedule
from profiler_agent.loadgen.schedule import draw_schedule
from profiler_agent.stats.percentiles import nearest_rank
from profiler_agent.stats.repeats import enough
from profiler_agent.work import Load, RunLimits, Scenario

TIMES_MS = (1.0, 5.0)
SHARES = (0.5, 0.8)
PAIRS = 9
REQUESTS = 700
BOUNDS = {50: (0.95, 1.05), 99: (0.90, 1.10)}

PRECISION = 0.03
WINDOW = RunLimits(min_duration_s=0.2, min_queries=1)
MOST_WINDOWS = 100
RULES_S = 60.0
"""The minimum duration that MLPerf's rules long asked for; LoadGen's own default is shorter."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="2 short pairs; the bars then prove nothing")
    quick = parser.parse_args().quick
    report = Report("agreement", quick=quick)
    networks = [perceptron_of(time_ms) for time_ms in TIMES_MS]
    rows = []
    for time_ms, network in zip(TIMES_MS, networks, strict=True):
        for share in SHARES:
            rows += _agree(report, network, f"{time_ms:g}ms_{share * 100:.0f}", share, quick=quick)
    print_table(
        ["response latency, msearch / LoadGen", "median", "range", "from its schedule", "LoadGen max / min"], rows
    )
    _settle(report, networks[0], 2 if quick else 7)
    return report.finish()


def _agree(report: Report, network: Perceptron, name: str, share: float, *, quick: bool) -> list[list[str]]:
    """Interleaved pairs at a share of the peak rate; a row for each percentile."""
    pairs, count = (2, 200) if quick else (PAIRS, REQUESTS)
    rate = share * 1e3 / network.service_ms
    ratios: dict[int, list[float]] = {percent: [] for percent in BOUNDS}
    scheduled: dict[int, list[float]] = {percent: [] for percent in BOUNDS}
    peers: dict[int, list[float]] = {percent: [] for percent in BOUNDS}
    for pair in range(pairs):
        peer = run_server(network.run, rate, count / rate, inline=False, seed=pair + 1)
        issued_ns = np.maximum.accumulate(peer.due_ns + peer.delay_ns)
        mine = _replay(network, issued_ns)
        for percent in BOUNDS:
            own = nearest_rank(mine, percent)
            peers[percent].append(nearest_rank(peer.response_ns - peer.delay_ns, percent) / 1e6)
            ratios[percent].append(own / 1e6 / peers[percent][-1])
            scheduled[percent].append(own / nearest_rank(peer.response_ns, percent))
    rows = []
    for percent, (low, high) in BOUNDS.items():
        ratio = statistics.median(ratios[percent])
        rows.append(
            [
                f"{network.service_ms:.2f} ms at {share:.0%} of its peak, p{percent}",
                f"{ratio:.3f}",
                f"{min(ratios[percent]):.2f} to {max(ratios[percent]):.2f}",
                f"{statistics.median(scheduled[percent]):.3f}",
                f"{max(peers[percent]) / min(peers[percent]):.2f}",
            ]
        )
        report.figure(f"ratio_{name}_p{percent}", ratios[percent])
        report.figure(f"ratio_to_schedule_{name}_p{percent}", scheduled[percent])
        report.figure(f"loadgen_ms_{name}_p{percent}", peers[percent])
        report.bar(f"agreement_{name}_p{percent}_at_least", ratio, limit=low, more_is_better=True)
        report.bar(f"agreement_{name}_p{percent}_at_most", ratio, limit=high)
    return rows


def _replay(network: Perceptron, arrivals_ns: np.ndarray) -> np.ndarray:
    """Response latencies in nanoseconds under the same arrivals."""
    load = Load(scenario=Scenario.SERVER, arrival="trace", trace_s=tuple((arrivals_ns / 1e9).tolist()))
    schedule = draw_schedule(load, duration_s=0, min_queries=0, pool=network.samples, seed=1)
    return drive_schedule(network, schedule, max_duration_s=600.0).response_ns


def _settle(report: Report, network: Perceptron, repeats: int) -> None:
    """How long until a median is known."""
    import mlperf_loadgen as loadgen

    default_s = loadgen.TestSettings().min_duration_ms / 1e3
    one, fresh = [], []
    for repeat in range(repeats):
        one.append(_until_known(lambda: single_stream_p50(network, WINDOW)))
        if repeat % 2 == 0:
            fresh.append(_until_known(lambda: _in_a_fresh_process(network.layers)))
    report.figure("time_to_p50_s", [seconds for seconds, _ in one])
    report.figure("p50_ms", [median for _, median in one])
    report.figure("time_to_p50_fresh_processes_s", [seconds for seconds, _ in fresh])
    report.figure("p50_ms_fresh_processes", [median for _, median in fresh])
    seconds = statistics.median(seconds for seconds, _ in one)
    fresh_s = statistics.median(seconds for seconds, _ in fresh)
    print(
        f"\np50 of a {network.service_ms:.2f} ms model within 3 %: {seconds:.2f} s in one process, {fresh_s:.1f} s in ",
        end="",
    )
    print(f"fresh ones; LoadGen's default minimum duration is {default_s:g} s, {RULES_S:g} s by older rules")
    report.bar("time_to_p50_s", seconds, limit=default_s / 5)
    report.bar("time_to_p50_fresh_processes_s", fresh_s, limit=RULES_S / 5)


def _until_known(measure: Callable[[], float]) -> tuple[float, float]:
    """Seconds until the interval of the medians is narrow enough, and their median in ms."""
    started, medians = time.perf_counter(), []
    while len(medians) < MOST_WINDOWS and not enough(medians, PRECISION):
        medians.append(measure())
    return time.perf_counter() - started, statistics.median(medians)


def _in_a_fresh_process(layers: int) -> float:
    command = [sys.executable, "-m", "benchmarks.perceptron", str(layers)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


if __name__ == "__main__":
    sys.exit(main())

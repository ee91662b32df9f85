"""Does the load generator measure what MLCommons LoadGen measures? A real compiled model, the same arrival times.

    python -m benchmarks.bench_agreement [--quick]

For each pair of runs LoadGen draws the arrivals and ours replays them as a trace right after. The model runs on ONNX
Runtime with one thread; a worker thread answers for both.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from benchmarks.peers.mlperf_loadgen_server import SAMPLES, run_server
from benchmarks.report import Report, print_table
from profiler_agent.loadgen.open_loop import drive_schedule
from profiler_agent.loadgen.schedule import draw_schedule
from profiler_agent.stats.percentiles import nearest_rank
from profiler_agent.work import Load, Scenario

TIMES_MS = (1.0, 5.0)
SHARES = (0.5, 0.8)
PAIRS = 9
REQUESTS = 1400
WIDTH = 512


class Network:
    """A multi-layer perceptron on ONNX Runtime, as many layers deep as it takes to need about `time_ms`."""

    samples = SAMPLES

    def __init__(self, time_ms: float) -> None:
        rng = np.random.default_rng(1)
        self._feeds = [{"x": row[None]} for row in rng.normal(size=(SAMPLES, WIDTH)).astype(np.float32)]
        layers = 4
        while True:
            self._session = _compile(layers)
            self.service_ms = self._time()
            if self.service_ms >= time_ms * 0.9:
                return
            layers = max(layers + 1, round(layers * min(time_ms / self.service_ms, 4.0)))

    def run(self, samples: Sequence[int]) -> Any:
        """One inference."""
        return self._session.run(None, self._feeds[samples[0]])

    def _time(self) -> float:
        taken = []
        for number in range(120):
            started = time.perf_counter()
            self.run((number % SAMPLES,))
            taken.append((time.perf_counter() - started) * 1e3)
        return statistics.median(taken[20:])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="2 short pairs; the bars then prove nothing")
    quick = parser.parse_args().quick
    pairs, requests = (2, 200) if quick else (PAIRS, REQUESTS)
    report = Report("agreement", quick=quick)
    rows = []
    for time_ms in TIMES_MS:
        network = Network(time_ms)
        for share in SHARES:
            rate = share * 1e3 / network.service_ms
            ratios: dict[int, list[float]] = {50: [], 99: []}
            peer_values: dict[int, list[float]] = {50: [], 99: []}
            for pair in range(pairs):
                peer = run_server(network.run, rate, requests / rate, inline=False, seed=pair + 1)
                mine = _replay(network, peer.due_ns)
                for percent, found in ratios.items():
                    its = nearest_rank(peer.response_ns, percent)
                    peer_values[percent].append(its / 1e6)
                    found.append(nearest_rank(mine, percent) / its)
            name = f"{time_ms:g}ms_{share:.0%}".replace("%", "")
            for percent, low, high in ((50, 0.95, 1.05), (99, 0.90, 1.10)):
                ratio = statistics.median(ratios[percent])
                own = max(peer_values[percent]) / min(peer_values[percent])
                rows.append(
                    [
                        f"{network.service_ms:.2f} ms at {share:.0%} of its peak, p{percent}",
                        f"{ratio:.3f}",
                        f"{min(ratios[percent]):.2f} to {max(ratios[percent]):.2f}",
                        f"{own:.2f}",
                    ]
                )
                report.figure(f"ratio_{name}_p{percent}", ratios[percent])
                report.figure(f"loadgen_ms_{name}_p{percent}", peer_values[percent])
                report.bar(f"agreement_{name}_p{percent}_at_least", ratio, limit=low, more_is_better=True)
                report.bar(f"agreement_{name}_p{percent}_at_most", ratio, limit=high)
    print_table(["response latency, msearch / LoadGen", "median", "range", "LoadGen max / min"], rows)
    return report.finish()


def _replay(network: Network, due_ns: np.ndarray) -> np.ndarray:
    """Response latencies in nanoseconds under the same arrivals."""
    load = Load(scenario=Scenario.SERVER, arrival="trace", trace_s=tuple((due_ns / 1e9).tolist()))
    schedule = draw_schedule(load, duration_s=0, min_queries=0, pool=SAMPLES, seed=1)
    return drive_schedule(network, schedule, max_duration_s=600.0).response_ns


def _compile(layers: int) -> onnxruntime.InferenceSession:
    rng = np.random.default_rng(2)
    nodes, weights = [], []
    for layer in range(layers):
        weight = rng.normal(0, WIDTH**-0.5, (WIDTH, WIDTH)).astype(np.float32)
        weights.append(numpy_helper.from_array(weight, f"w{layer}"))
        nodes.append(helper.make_node("MatMul", [f"h{layer}" if layer else "x", f"w{layer}"], [f"m{layer}"]))
        nodes.append(helper.make_node("Tanh", [f"m{layer}"], [f"h{layer + 1}"]))
    graph = helper.make_graph(
        nodes,
        "perceptron",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, WIDTH])],
        [helper.make_tensor_value_info(f"h{layers}", TensorProto.FLOAT, [1, WIDTH])],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


if __name__ == "__main__":
    sys.exit(main())

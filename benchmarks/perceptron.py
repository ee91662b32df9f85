"""A real compiled model that takes about a given time, and one run on it in a process of its own.

    python -m benchmarks.perceptron LAYERS

prints the median response of single_stream in milliseconds, with the agent's default limits.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from profiler_agent.loadgen.scenarios import drive
from profiler_agent.stats.percentiles import nearest_rank
from profiler_agent.work import Load, RunLimits, Scenario

SAMPLES = 256
WIDTH = 512


class Perceptron:
    """Several layers of 512 units on ONNX Runtime with one thread; `service_ms` is what a call takes.

    `artifact` is the ONNX file.
    """

    samples = SAMPLES

    def __init__(self, layers: int) -> None:
        rng = np.random.default_rng(1)
        self.layers = layers
        self._feeds = [{"x": row[None]} for row in rng.normal(size=(SAMPLES, WIDTH)).astype(np.float32)]
        self.artifact = _build(layers)
        self._session = _compile(self.artifact)
        self.service_ms = self._time()

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


def perceptron_of(time_ms: float) -> Perceptron:
    """As many layers deep as it takes to need about that long."""
    layers = 4
    while (network := Perceptron(layers)).service_ms < time_ms * 0.9:
        layers = max(layers + 1, round(layers * min(time_ms / network.service_ms, 4.0)))
    return network


def perceptron_card(name: str) -> dict[str, Any]:
    """The card to register one under."""
    return {
        "name": name,
        "task": "embedding",
        "modality": "embedding",
        "artifact": {"format": "onnx"},
        "input": {"kind": "embedding", "column": "vector", "length": WIDTH},
    }


def single_stream_p50(network: Perceptron, limits: RunLimits, seed: int = 1) -> float:
    """Median response in milliseconds."""
    requests = drive(network, Load(scenario=Scenario.SINGLE_STREAM), limits, seed=seed)
    return nearest_rank(requests.response_ns, 50.0) / 1e6


def _build(layers: int) -> bytes:
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
    return bytes(model.SerializeToString())


def _compile(artifact: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(artifact, options, providers=["CPUExecutionProvider"])


if __name__ == "__main__":
    print(single_stream_p50(Perceptron(int(sys.argv[1])), RunLimits()))

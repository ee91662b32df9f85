"""The Server scenario of MLCommons LoadGen (package mlcommons-loadgen) on a Python target, as a peer of our own.

LoadGen draws Poisson arrivals, issues in a C++ thread, and counts latency from the scheduled time. Its trace holds, for
each request, when it was due, how late it was issued and when it was complete.
"""

from __future__ import annotations

import json
import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np
from numpy.typing import NDArray

SAMPLES = 256


@dataclass(frozen=True)
class ServerRun:
    """Times of the requests in nanoseconds: due since the first, issued late by, complete since due. [n] each"""

    due_ns: NDArray[np.int64]
    delay_ns: NDArray[np.int64]
    response_ns: NDArray[np.int64]


def run_server(
    run: Callable[[Sequence[int]], object], rate_per_s: float, seconds: float, *, inline: bool, seed: int
) -> ServerRun:
    """Drives `run(samples)` at a rate. `inline` answers within the issuing callback, else a worker thread answers."""
    import mlperf_loadgen as loadgen

    queue: SimpleQueue[Any] = SimpleQueue()

    def complete(query: Any) -> None:
        loadgen.QuerySamplesComplete([loadgen.QuerySampleResponse(query.id, 0, 0)])

    def issue(queries: list[Any]) -> None:
        for query in queries:
            if inline:
                run((query.index,))
                complete(query)
            else:
                queue.put(query)

    def answer() -> None:
        while (query := queue.get()) is not None:
            run((query.index,))
            complete(query)

    worker = threading.Thread(target=answer, daemon=True)
    worker.start()
    settings = loadgen.TestSettings()
    settings.scenario = loadgen.TestScenario.Server
    settings.mode = loadgen.TestMode.PerformanceOnly
    settings.server_target_qps = rate_per_s
    settings.server_target_latency_ns = 10**10
    settings.min_duration_ms = round(seconds * 1e3)
    settings.max_duration_ms = round(seconds * 3e3) + 5000
    settings.min_query_count = max(int(rate_per_s * seconds * 0.9), 1)
    settings.schedule_rng_seed = seed
    settings.sample_index_rng_seed = seed
    target = loadgen.ConstructSUT(issue, lambda: None)
    library = loadgen.ConstructQSL(SAMPLES, SAMPLES, lambda _: None, lambda _: None)
    with tempfile.TemporaryDirectory() as folder:
        output = loadgen.LogOutputSettings()
        output.outdir = folder
        logs = loadgen.LogSettings()
        logs.log_output = output
        logs.enable_trace = True
        loadgen.StartTestWithLogSettings(target, library, settings, logs)
        loadgen.DestroySUT(target)
        loadgen.DestroyQSL(library)
        queue.put(None)
        worker.join()
        return _read_trace(Path(folder) / "mlperf_log_trace.json")


def _read_trace(path: Path) -> ServerRun:
    """Each request's beginning event has its due time in microseconds as `ts`, the others relative to it."""
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if '"name":"Sample"' not in line or '"ph":"b"' not in line:
            continue
        event = json.loads(line.rstrip(","))
        found.append((event["ts"] * 1e3, event["args"]["issue_start_ns"], event["args"]["complete_ns"]))
    times = np.array(sorted(found))
    due = times[:, 0] - times[0, 0]
    return ServerRun(*(np.round(column).astype(np.int64) for column in (due, times[:, 1], times[:, 2])))

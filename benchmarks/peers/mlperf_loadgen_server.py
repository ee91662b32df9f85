"""The Server scenario of MLCommons LoadGen (package mlcommons-loadgen) on a Python target, as a peer of our own.

LoadGen draws Poisson arrivals, issues in a C++ thread, and counts latency from the scheduled time. Its trace holds, for
each request, when it was due, how late it was issued and when it was complete. Writing the trace delays LoadGen at high
rates, so its dispatch delay is also had without one: the callback notes when it is called, and when it was due follows
from the seed.
"""

from __future__ import annotations

import json
import tempfile
import threading
import time
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
    with tempfile.TemporaryDirectory() as folder:
        _drive(run, rate_per_s, seconds, inline=inline, seed=seed, folder=folder, traced=True)
        return _read_trace(Path(folder) / "mlperf_log_trace.json")


def issue_delays(
    run: Callable[[Sequence[int]], object], rate_per_s: float, seconds: float, *, inline: bool, seed: int
) -> NDArray[np.int64]:
    """How late each query reached the target's callback, in nanoseconds, untraced. [n]

    When LoadGen's clock began is not known, so the least delay is taken for none, in LoadGen's favour.
    """
    with tempfile.TemporaryDirectory() as folder:
        issued = _drive(run, rate_per_s, seconds, inline=inline, seed=seed, folder=folder, traced=False)
    late = np.array(issued) - due_times(len(issued), rate_per_s, seed)
    return late - late.min()


def due_times(count: int, rate_per_s: float, seed: int) -> NDArray[np.int64]:
    """When LoadGen has its queries due, in nanoseconds since the first: as std::mt19937 and libstdc++ draw them. [n]"""
    # The old generator of numpy is std::mt19937, seeded alike; its bytes are that one's words.
    raw = np.frombuffer(np.random.RandomState(seed).bytes(8 * count), "<u4").astype(np.float64)
    uniform = (raw[0::2] + raw[1::2] * 2.0**32) / 2.0**64
    gaps = (-np.log(1.0 - uniform) / rate_per_s * 1e9).astype(np.int64)
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(gaps)[:-1]])


def _drive(
    run: Callable[[Sequence[int]], object],
    rate_per_s: float,
    seconds: float,
    *,
    inline: bool,
    seed: int,
    folder: str,
    traced: bool,
) -> list[int]:
    """Runs LoadGen; when each query was issued, in nanoseconds of the monotonic clock."""
    import mlperf_loadgen as loadgen

    queue: SimpleQueue[Any] = SimpleQueue()
    issued: list[int] = []
    now = time.monotonic_ns

    def complete(query: Any) -> None:
        loadgen.QuerySamplesComplete([loadgen.QuerySampleResponse(query.id, 0, 0)])

    def issue(queries: list[Any]) -> None:
        issued.append(now())
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
    output = loadgen.LogOutputSettings()
    output.outdir = folder
    logs = loadgen.LogSettings()
    logs.log_output = output
    logs.enable_trace = traced
    loadgen.StartTestWithLogSettings(target, library, settings, logs)
    loadgen.DestroySUT(target)
    loadgen.DestroyQSL(library)
    queue.put(None)
    worker.join()
    return issued


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

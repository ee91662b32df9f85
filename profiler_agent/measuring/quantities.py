"""From the times of a run's requests to its latencies and throughput."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from profiler_agent.loadgen.requests import Requests
from profiler_agent.stats.pace import saturation
from profiler_agent.stats.percentiles import PERCENTS, allowed_percentiles, nearest_rank, percentile_interval
from profiler_agent.stats.timeline import Timeline
from profiler_agent.work import Measurement

Times = NDArray[Any]

SCHEDULE = "requests, from the scheduled time"
ALL_AT_ONCE = "requests, from the start of execution (all wait from the beginning)"


def latencies(run: Timeline) -> list[Measurement]:
    """Response latency: mean, maximum and those percentiles for which there are enough requests, with intervals."""
    source = ALL_AT_ONCE if run.all_at_once else SCHEDULE
    values = run.latency
    found = [
        Measurement(name="mean_ms", value=float(values.mean()) / 1e6, unit="ms", source=source),
        Measurement(name="max_ms", value=float(values.max()) / 1e6, unit="ms", source=source),
    ]
    allowed = allowed_percentiles(run.count)
    for percent in PERCENTS:
        if percent in allowed:
            low, high = percentile_interval(values, percent)
            found.append(
                Measurement(
                    name=f"{percentile_name(percent)}_ms",
                    value=nearest_rank(values, percent) / 1e6,
                    unit="ms",
                    low=_finite(low),
                    high=_finite(high),
                    source=source,
                )
            )
    return found


def percentile_name(percent: float) -> str:
    """p50, p99, p999."""
    return f"p{percent:g}".replace(".", "")


def parts(run: Timeline) -> list[Measurement]:
    """Where the latency goes: execution, waiting for it, and the generator's own delay."""
    columns: dict[str, Times] = {
        "service": run.finished - run.started,
        "queue": run.started - run.scheduled,
        "dispatch": run.sent - run.scheduled,
    }
    if run.all_at_once:
        del columns["queue"], columns["dispatch"]
    return [one for name, values in columns.items() for one in _median_and_tail(name, values)]


def travel(arrived: Requests, seen: Requests) -> list[Measurement]:
    """What requests and answers spent on a simulated network: `arrived` at the model, `seen` by clients."""
    answered = ~arrived.failed
    columns = {
        "uplink": arrived.scheduled_ns - seen.scheduled_ns,
        "downlink": seen.finished_ns - arrived.finished_ns,
    }
    return [
        one for name, values in columns.items() for one in _median_and_tail(name, values[answered], "simulated network")
    ]


def batching(run: Timeline, batch_sizes: Times, largest: int) -> list[Measurement]:
    """How full the batches of a batching front were, and what its requests waited."""
    if largest <= 1:
        return []
    mean = Measurement(name="mean_batch_size", value=float(batch_sizes.mean()), unit="", source="requests' batches")
    return [mean, *_median_and_tail("batch_wait", run.started - run.sent)]


def throughput(run: Timeline, inferences_a_request: int, limit_ms: float) -> list[Measurement]:
    """Inferences a second from the first schedule to the last answer; goodput counts those within the limit."""
    scale = inferences_a_request / run.span_s
    answered = Measurement(
        name="throughput_per_s",
        value=run.count * scale,
        unit="1/s",
        source="answered requests",
        detail=saturation(run),
    )
    found = [answered]
    if limit_ms > 0:
        within = int(np.count_nonzero(run.latency <= limit_ms * 1e6))
        found.append(
            Measurement(
                name="goodput_per_s",
                value=within * scale,
                unit="1/s",
                source=f"requests answered within {limit_ms:g} ms",
            )
        )
    return found


def _median_and_tail(name: str, values: Times, source: str = "requests") -> list[Measurement]:
    """p50 and, with enough requests, p99 of one part of the latency."""
    allowed = allowed_percentiles(len(values))
    return [
        Measurement(
            name=f"{name}_{percentile_name(percent)}_ms",
            value=nearest_rank(values, percent) / 1e6,
            unit="ms",
            source=source,
        )
        for percent in (50.0, 99.0)
        if percent in allowed
    ]


def _finite(nanoseconds: float) -> float | None:
    return nanoseconds / 1e6 if math.isfinite(nanoseconds) else None

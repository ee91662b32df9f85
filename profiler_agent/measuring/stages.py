"""Where the time of each request goes: its stages, which add up to its response latency to the nanosecond."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from profiler_agent.loadgen.requests import Requests, Times
from profiler_agent.measuring.pipeline import Processing
from profiler_agent.work import Load, Measurement

STAGES = ("uplink", "queue", "preprocess", "inference", "postprocess", "downlink")
"""In the order in which a request goes through them. Waiting for a batch to fill is queueing."""


_NEEDS = {"uplink": "network", "downlink": "network", "preprocess": "pipeline", "postprocess": "pipeline"}
"""What a load must have for a stage; the others every request goes through."""


def stage_name(stage: str) -> str:
    """The quantity that holds the mean of a stage."""
    return f"stage_{stage}_ms"


def stages_of(
    arrived: Requests, seen: Requests, calls: Sequence[Processing] = (), *, all_at_once: bool = False
) -> dict[str, Times]:
    """What each answered request spent in each stage, in nanoseconds, by the name of the stage. [n]

    Args:
        arrived: the requests as they reached the model.
        seen: the same as clients see them; `arrived` itself without a network.
        calls: what pre- and post-processing took in each call, in order; none where requests carry tensors.
        all_at_once: all requests waited from the start, so that their latency counts from the start of execution.
    """
    answered = ~arrived.failed
    before = after = np.zeros(arrived.count, np.int64)
    if calls:
        # A request that failed may be of a call that never ended.
        numbers = np.minimum(call_numbers(arrived), len(calls) - 1)
        before, after = np.array(calls, np.int64)[numbers].T
    waiting = np.zeros(arrived.count, np.int64) if all_at_once else arrived.queue_ns
    found = {
        "uplink": arrived.scheduled_ns - seen.scheduled_ns,
        "queue": waiting,
        "preprocess": before,
        # With what the call itself costs, well below a microsecond.
        "inference": arrived.service_ns - before - after,
        "postprocess": after,
        "downlink": seen.finished_ns - arrived.finished_ns,
    }
    return {name: values[answered] for name, values in found.items()}


def call_numbers(requests: Requests) -> NDArray[np.intp]:
    """The call that answered each request: calls take requests in order, each as many as its size says. [n]"""
    numbers = np.empty(requests.count, np.intp)
    place = number = 0
    while place < requests.count:
        size = int(requests.batch_sizes[place])
        numbers[place : place + size] = number
        place, number = place + size, number + 1
    return numbers


def measure_stages(stages: Mapping[str, Times], load: Load, missing: Mapping[str, str]) -> list[Measurement]:
    """The mean of each stage that the load has: means add up to the mean latency, which medians would not.

    `missing`: stages that were asked for and could not be had, and why.
    """
    left_out = {name for name, has in (("network", load.network), ("pipeline", load.pipeline)) if not has}
    return [
        Measurement(name=stage_name(name), value=0.0, unit="ms", source="none", detail=missing[name])
        if name in missing
        else Measurement(name=stage_name(name), value=float(values.mean()) / 1e6, unit="ms", source="requests, mean")
        for name, values in stages.items()
        if _NEEDS.get(name) not in left_out
    ]

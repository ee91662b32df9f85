"""One run: warm up, drive the load, read the meters, judge. In the child, on a compiled model."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np

from profiler_agent.backends.base import CompiledModel
from profiler_agent.errors import JobError
from profiler_agent.isolation import Context
from profiler_agent.loadgen.find_peak import NoPeak, Trial, find_peak
from profiler_agent.loadgen.network import Journey
from profiler_agent.loadgen.requests import Requests
from profiler_agent.loadgen.scenarios import drive
from profiler_agent.measuring import quantities
from profiler_agent.measuring.messages import RunOrder, RunResult
from profiler_agent.measuring.pipeline import NO_SAMPLE, PipelineTarget, Processing, RawRows
from profiler_agent.measuring.rows import Rows
from profiler_agent.measuring.stages import measure_stages, stages_of
from profiler_agent.measuring.target import CompiledTarget
from profiler_agent.meters import MeterSetting, find_meters, measure_idle_power
from profiler_agent.stats.histogram import encode_histogram
from profiler_agent.stats.percentiles import count_to_print, nearest_rank
from profiler_agent.stats.steadiness import WarmUp
from profiler_agent.stats.timeline import Timeline
from profiler_agent.stats.validity import judge, run_timeline
from profiler_agent.work import InvalidReason, Load, Measurement, RunLimits, Scenario

TRIAL_SHARE = 0.5
"""A trial of find_peak is this much shorter than a run."""


@dataclass(frozen=True, slots=True)
class _Measured:
    """A driven load with what it broke and what the meters read.

    `requests` as they reached the model, `seen` as clients see them; the same without a network. `arrived` and
    `timeline` are their times. `calls`: what pre- and post-processing took in each, where requests carry rows.
    """

    requests: Requests
    seen: Requests
    arrived: Timeline
    timeline: Timeline
    reasons: tuple[InvalidReason, ...]
    metered: tuple[Measurement, ...]
    calls: tuple[Processing, ...]


AnyTarget = CompiledTarget | PipelineTarget


def run_once(order: RunOrder, compiled: CompiledModel, prepared: Rows, context: Context) -> RunResult:
    """Measures `order.load` at the compiled model."""
    variant = order.compile.variant
    target, missing = _target(order, compiled, prepared)
    context.send({"stage": "warm_up", "message": f"{variant}: warming up"})
    warming_ns = time.monotonic_ns()
    service_ns = warm_up(target)
    warming_ns = time.monotonic_ns() - warming_ns
    setting = MeterSetting(
        device=compiled.facts.device,
        price_table=order.price_table,
        host_class=order.host_class,
        idle_w=measure_idle_power(compiled.facts.device),
    )
    started_at = datetime.now(UTC)
    load = order.load
    extra = [Measurement(name="warm_up_s", value=warming_ns / 1e9, unit="s", source="before the run, not counted")]
    if load.scenario is Scenario.FIND_PEAK:
        try:
            peak = _find_peak(order, target, setting, 1e9 / service_ns, context)
        except NoPeak as error:
            # A finding, not a failure of the job: what was measured under other loads stands.
            reasons = (InvalidReason("no_peak", error.message),)
            return RunResult(
                reasons=reasons, measurements=tuple(extra), histogram="", schedule_digest="", started_at=started_at
            )
        load = replace(load, scenario=Scenario.SERVER, rate_per_s=peak)
        rate = peak * variant.batch_size
        detail = f"largest rate whose p99 meets {load.p99_limit_ms:g} ms"
        extra.append(Measurement(name="peak_rate_per_s", value=rate, unit="1/s", source="find_peak", detail=detail))
    measured = _measure(order, load, order.limits, target, setting)
    return RunResult(
        reasons=measured.reasons,
        measurements=(*_sum_up(measured, load, variant.batch_size, missing), *measured.metered, *extra),
        histogram=encode_histogram(measured.timeline.latency) if measured.timeline.count else "",
        schedule_digest=measured.requests.schedule_digest,
        started_at=started_at,
    )


def _target(order: RunOrder, compiled: CompiledModel, prepared: Rows) -> tuple[AnyTarget, Mapping[str, str]]:
    """What load is driven at, and the stages of a pipeline that it lacks, with the reason."""
    batch_size = order.compile.variant.batch_size
    if not order.load.pipeline:
        return CompiledTarget(compiled, prepared, batch_size), {}
    why = NO_SAMPLE
    if order.sample_file is not None and prepared.tensors:
        try:
            target = PipelineTarget(
                compiled, RawRows.read(order.compile.card_json, order.sample_file), prepared, batch_size
            )
        except JobError as error:
            why = f"{error.message}, so requests carry tensors"
        else:
            return target, target.missing
    return CompiledTarget(compiled, prepared, batch_size), {"preprocess": why, "postprocess": why}


def warm_up(target: AnyTarget, clock: Callable[[], int] = time.perf_counter_ns) -> float:
    """One request after another until they are steady, or a cap; gives the median of the last ones in nanoseconds."""
    steady = WarmUp()
    recent: list[int] = []
    sample = 0
    while True:
        started = clock()
        target.run([sample % target.samples])
        recent.append(clock() - started)
        sample += 1
        if steady.add(recent[-1]):
            return max(nearest_rank(recent[-100:], 50.0), 1.0)


def _measure(order: RunOrder, load: Load, limits: RunLimits, target: AnyTarget, setting: MeterSetting) -> _Measured:
    samples = _samples_a_request(load)
    inferences_a_request = order.compile.variant.batch_size * samples
    meters = find_meters()
    if order.compile.variant.backend == "remote":
        # A server on this host is what is measured, not a neighbour that disturbs.
        meters = {name: meter for name, meter in meters.items() if name != "interference"}
    readings = [meter.start(setting) for meter in meters.values()]
    journey = None
    if load.network is not None:
        journey = Journey(load.network, samples * target.request_bytes, samples * target.response_bytes)
    if isinstance(target, PipelineTarget):
        target.calls.clear()  # those of the warm-up
    requests = drive(target, load, limits, seed=order.seed, journey=journey)
    answered = int(np.count_nonzero(~requests.failed))
    metered: list[Measurement] = []
    disturbances: list[InvalidReason] = []
    for reading in reversed(readings):
        measurements, broken = reading.stop(answered * inferences_a_request)
        metered += measurements
        disturbances += broken
    arrived = _timeline(load, requests)
    seen = requests if journey is None else journey.as_clients_see(requests)
    timeline = arrived if journey is None else _timeline(load, seen)
    reasons = judge(
        # Behind a network an open loop is judged by what reaches the model; clients of a closed one spend time on the
        # way, and only what they see shows that they always have one request under way.
        arrived if arrived.open_loop else timeline,
        load,
        limits,
        capped=requests.capped,
        stopped_early=requests.stopped_early,
        first_error=requests.first_error,
    )
    reasons += journey.overload() if journey is not None else ()
    calls = tuple(target.calls) if isinstance(target, PipelineTarget) else ()
    return _Measured(requests, seen, arrived, timeline, (*reasons, *disturbances), tuple(metered), calls)


def _timeline(load: Load, requests: Requests) -> Timeline:
    return run_timeline(
        load,
        scheduled_ns=requests.scheduled_ns,
        sent_ns=requests.sent_ns,
        started_ns=requests.started_ns,
        finished_ns=requests.finished_ns,
        failed=requests.failed,
    )


def _sum_up(measured: _Measured, load: Load, batch_size: int, missing: Mapping[str, str]) -> list[Measurement]:
    run = measured.timeline
    if not run.count:
        return []
    largest = 1 if load.batching is None else load.batching.max_batch
    return [
        *quantities.latencies(run),
        *quantities.parts(measured.arrived),
        *(quantities.travel(measured.requests, measured.seen) if load.network is not None else ()),
        *(_stages(measured, load, missing) if load.pipeline or load.network is not None else ()),
        *quantities.batching(measured.arrived, measured.requests.batch_sizes[~measured.requests.failed], largest),
        *quantities.throughput(run, batch_size * _samples_a_request(load), load.p99_limit_ms),
        Measurement(name="duration_s", value=run.span_s, unit="s", source="first schedule to last answer"),
    ]


def _stages(measured: _Measured, load: Load, missing: Mapping[str, str]) -> list[Measurement]:
    at_once = measured.arrived.all_at_once
    return measure_stages(
        stages_of(measured.requests, measured.seen, measured.calls, all_at_once=at_once), load, missing
    )


def _samples_a_request(load: Load) -> int:
    return load.streams if load.scenario is Scenario.MULTI_STREAM else 1


def _find_peak(order: RunOrder, target: AnyTarget, setting: MeterSetting, start_rate: float, context: Context) -> float:
    """The largest rate of valid runs whose p99 meets the limit, in queries a second."""
    limit_ms = order.load.p99_limit_ms
    queries = max(order.limits.min_queries, count_to_print(99.0))
    limits = replace(order.limits, min_duration_s=order.limits.min_duration_s * TRIAL_SHARE, min_queries=queries)

    def measure(rate: float) -> Trial:
        context.send({"stage": "measure", "message": f"{order.compile.variant}: trying {rate:.4g} requests a second"})
        load = replace(order.load, scenario=Scenario.SERVER, rate_per_s=rate)
        measured = _measure(order, load, limits, target, setting)
        latency = measured.timeline.latency
        p99_ms = nearest_rank(latency, 99.0) / 1e6 if latency.size else float("inf")
        return Trial(
            rate=rate,
            p99_ms=p99_ms,
            meets=p99_ms <= limit_ms,
            valid=not measured.reasons,
            reasons=measured.reasons,
        )

    # At a lower rate a trial could not have its queries within the longest duration.
    lowest = queries / limits.max_duration_s
    return find_peak(measure, p99_limit_ms=limit_ms, start_rate=max(start_rate / 2, lowest), lowest_rate=lowest).rate

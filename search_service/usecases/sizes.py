"""How large a job is thought to be: what it asks for, with what stored profiles and ended jobs tell."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from msearch_scheduling.latencies import Measured, expected_latency, latency_by_flops
from msearch_scheduling.pace import shrunk_bias
from msearch_scheduling.sizes import JobShape, SizeLaw
from msearch_scheduling.trust import Record
from search_service.domain.jobs import SizeEstimate
from search_service.domain.ports import UnitOfWork
from search_service.domain.profiling import (
    JobSpec,
    Load,
    Precision,
    Profile,
    ProfileFilter,
    RunLimits,
    Scenario,
    Variant,
)
from search_service.usecases.counted_graphs import graph_counts_of

MODEL_PRIOR_JOBS = 2.0
"""What jobs of one model have in common counts half after so many."""

LOOKED_AT = 50
"""Newest profiles of a model, or of a host class."""

USUAL_LATENCY_S = 0.005
"""Of a call of a model of which nothing is known."""

FIND_PEAK_TRIALS = 10
FIND_PEAK_TRIAL_SHARE = 0.5
"""A trial of find_peak is that much shorter than a run."""

EVALUATE = "evaluate"
"""Stands for the backend of jobs that run a model on a sample."""

EVALUATED_ROW_S = 0.002
NOISE_RUNS = 60
"""Of such a job: a row through a model, and runs under noise beside the one without."""

_DEFAULTS = RunLimits(min_duration_s=2.0, min_queries=662, max_duration_s=60.0, repeats=5)
"""What the agent takes where the job does not say (profiles.proto)."""


@dataclass(frozen=True, slots=True)
class Known:
    """What profiles tell of a job's model, newest first, and of other models on the hosts where it may run.

    `flops` of a sample as its graph says, where no profile of the model does; None if that was not counted.
    """

    profiles: Sequence[Profile] = ()
    others: Sequence[Measured] = ()
    flops: float | None = None


def reckon_size(spec: JobSpec) -> float:
    """Seconds that a job takes, as far as what it asks for tells alone."""
    return SizeLaw().predict(shape_of(spec, Known()))


class Sizer:
    """Estimates the jobs of one unit of work; what is known of a model is read once."""

    def __init__(self, unit: UnitOfWork) -> None:
        self._unit = unit
        self._law = unit.scheduling.learned().law
        self._known: dict[tuple[str, str], tuple[Known, float]] = {}

    def estimate(self, spec: JobSpec) -> tuple[JobShape, SizeEstimate]:
        """What decides how long a job takes, and how long that is on an agent of speed 1."""
        key = (spec.model_id, spec.host_class)
        if key not in self._known:
            of_model = model_key(spec.model_id)
            record = self._unit.scheduling.records([of_model])[of_model]
            self._known[key] = (read_known(self._unit, spec), model_factor(spec.model_id, record))
        known, factor = self._known[key]
        shape = shape_of(spec, known)
        seconds = self._law.predict(shape) * factor
        return shape, SizeEstimate(seconds=seconds, predicted=self._law.covers(shape))


def model_key(model_id: str) -> str:
    """Under which the errors of estimates of a model's jobs are kept."""
    return f"model {model_id}"


def model_factor(model_id: str, record: Record) -> float:
    """How many times longer the jobs of a model take than the law says; 1 for jobs without a model."""
    return math.exp(shrunk_bias(record, prior_jobs=MODEL_PRIOR_JOBS)) if model_id else 1.0


def read_known(unit: UnitOfWork, spec: JobSpec) -> Known:
    """The profiles that tell something of the job."""
    if not spec.model_id:
        return Known()
    here = unit.profiles.page(ProfileFilter(model_id=spec.model_id, host_class=spec.host_class), None, LOOKED_AT).items
    if here:
        return Known(here)
    # Measured elsewhere or never: FLOPs go with the model, and what a FLOP takes here others tell.
    elsewhere = (
        unit.profiles.page(ProfileFilter(model_id=spec.model_id), None, LOOKED_AT).items if spec.host_class else ()
    )
    others = unit.profiles.page(ProfileFilter(host_class=spec.host_class), None, LOOKED_AT).items
    graph = None if elsewhere else graph_counts_of(unit, spec.model_id)
    return Known(
        elsewhere,
        [one for profile in others if (one := measured_of(profile)) is not None],
        None if graph is None else graph.flops,
    )


def shape_of(spec: JobSpec, known: Known) -> JobShape:
    """What decides how long the job takes. The agent adds a yardstick in fp32 where none of its kind is asked for."""
    if spec.evaluate is not None:
        runs = 1 + NOISE_RUNS * spec.evaluate.with_noise
        return JobShape(variants={EVALUATE: 1}, driven_s=spec.evaluate.row_count * EVALUATED_ROW_S * runs)
    variants = set(spec.variants) | {replace(variant, precision=Precision.FP32) for variant in spec.variants}
    repeats = spec.limits.repeats or _DEFAULTS.repeats
    measured = [one for profile in known.profiles if (one := measured_of(profile)) is not None]
    driven_s, setup_s, fresh = 0.0, 0.0, Counter[str]()
    for variant in variants:
        latency_s = _latency_s(variant, measured, known)
        driven_s += sum(_driven_s(load, spec.limits, latency_s) for load in spec.loads)
        prepared_s = None if known.others else _setup_s(variant, known.profiles)
        if prepared_s is None:
            fresh[variant.backend] += 1
        else:
            setup_s += prepared_s
    return JobShape(
        variants=dict(sorted(fresh.items())),
        known_setup_s=setup_s,
        runs=len(variants) * len(spec.loads) * repeats,
        driven_s=repeats * driven_s,
    )


def measured_of(profile: Profile) -> Measured | None:
    """What a profile says of the latency of a call; None where it does not."""
    figures = {one.name: one.value for one in profile.measurements if one.measured}
    latency_ms = figures.get("service_p50_ms", figures.get("p50_ms", 0.0))
    if latency_ms <= 0:
        return None
    return Measured(
        variant=_name(profile.variant),
        batch_size=profile.variant.batch_size,
        latency_s=latency_ms / 1e3,
        flops=figures.get("flops"),
    )


def _latency_s(variant: Variant, measured: Sequence[Measured], known: Known) -> float:
    if known.others:
        flops = next((one.flops for one in measured if one.flops), known.flops)
        found = None if flops is None else latency_by_flops(flops, variant.batch_size, known.others)
    else:
        found = expected_latency(_name(variant), variant.batch_size, measured)
    return USUAL_LATENCY_S if found is None else found


def _setup_s(variant: Variant, profiles: Sequence[Profile]) -> float | None:
    """How long the variant's cold start took when it was measured last; None where it never was."""
    for profile in profiles:
        if profile.variant == variant:
            for one in profile.measurements:
                if one.name == "cold_start_ms" and one.measured:
                    return one.value / 1e3
    return None


def _name(variant: Variant) -> str:
    return f"{variant.backend} {variant.precision} {variant.mode} {variant.device} {variant.threads}"


def _driven_s(load: Load, limits: RunLimits, latency_s: float) -> float:
    """Seconds that a run drives the load at a variant."""
    least_s = limits.min_duration_s or _DEFAULTS.min_duration_s
    queries = limits.min_queries or _DEFAULTS.min_queries
    if load.trace_s:
        seconds = load.trace_s[-1]
    elif load.rate_per_s:
        seconds = max(least_s, queries / load.rate_per_s)
    else:
        side_by_side = load.streams if load.scenario is Scenario.CONCURRENCY else 1
        # Behind a network a client waits for the way there and back, too.
        round_trip_s = load.network.round_trip_ms / 1e3 if load.network is not None else 0.0
        seconds = max(least_s, queries * (latency_s + round_trip_s) / side_by_side)
    seconds = min(seconds, limits.max_duration_s or max(least_s, _DEFAULTS.max_duration_s))
    if load.scenario is Scenario.FIND_PEAK:
        seconds *= 1 + FIND_PEAK_TRIALS * FIND_PEAK_TRIAL_SHARE
    return seconds

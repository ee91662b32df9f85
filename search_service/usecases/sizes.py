"""How large a job is thought to be when it is submitted."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from msearch_scheduling.sizes import JobShape, reckon
from search_service.domain.jobs import SizeEstimate
from search_service.domain.profiling import JobSpec, Load, Precision, RunLimits, Scenario

USUAL_LATENCY_S = 0.005
"""Of a call of a model that nobody has measured."""

FIND_PEAK_TRIALS = 10
FIND_PEAK_TRIAL_SHARE = 0.5
"""A trial of find_peak is that much shorter than a run."""

_DEFAULTS = RunLimits(min_duration_s=2.0, min_queries=662, max_duration_s=60.0, repeats=5)
"""What the agent takes where the job does not say (profiles.proto)."""


def estimate_size(spec: JobSpec) -> SizeEstimate:
    """The size as it follows from what the job asks for."""
    return SizeEstimate(seconds=reckon(shape_of(spec)))


def shape_of(spec: JobSpec) -> JobShape:
    """What decides how long the job takes. The agent adds a yardstick in fp32 where none of its kind is asked for."""
    variants = set(spec.variants) | {replace(variant, precision=Precision.FP32) for variant in spec.variants}
    repeats = spec.limits.repeats or _DEFAULTS.repeats
    driven = sum(_driven_s(load, spec.limits) for load in spec.loads)
    return JobShape(
        variants=Counter(variant.backend for variant in variants),
        runs=len(variants) * len(spec.loads) * repeats,
        driven_s=len(variants) * repeats * driven,
    )


def _driven_s(load: Load, limits: RunLimits) -> float:
    """Seconds that a run drives the load."""
    least_s = limits.min_duration_s or _DEFAULTS.min_duration_s
    queries = limits.min_queries or _DEFAULTS.min_queries
    if load.trace_s:
        seconds = load.trace_s[-1]
    elif load.rate_per_s:
        seconds = max(least_s, queries / load.rate_per_s)
    else:
        side_by_side = load.streams if load.scenario is Scenario.CONCURRENCY else 1
        seconds = max(least_s, queries * USUAL_LATENCY_S / side_by_side)
    seconds = min(seconds, limits.max_duration_s or max(least_s, _DEFAULTS.max_duration_s))
    if load.scenario is Scenario.FIND_PEAK:
        seconds *= 1 + FIND_PEAK_TRIALS * FIND_PEAK_TRIAL_SHARE
    return seconds

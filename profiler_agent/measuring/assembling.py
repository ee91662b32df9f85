"""Sums the runs of a job up into profiles, and decides which variants are worth deploying."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from profiler_agent.errors import JobError
from profiler_agent.loadgen.load_text import format_load
from profiler_agent.measuring.messages import InputsResult, RunResult, VerifyResult
from profiler_agent.measuring.stages import STAGES, stage_name
from profiler_agent.stats.batch_law import fit_batch_law
from profiler_agent.stats.histogram import merge_histograms
from profiler_agent.stats.repeats import median_interval
from profiler_agent.verification.offers import Offer, decide, speed_up
from profiler_agent.work import (
    Form,
    InvalidReason,
    Load,
    Measurement,
    Precision,
    Profile,
    RunSummary,
    Scenario,
    Variant,
)

LARGEST_OF_RUNS = frozenset({"max_ms", "peak_memory_bytes", "device_memory_bytes"})
"""Quantities whose value over several runs is the largest; of all others it is the median."""

STAGE_NAMES = frozenset(map(stage_name, STAGES))


@dataclass(slots=True, eq=False, kw_only=True)
class Candidate:
    """A variant with all that became of it: verified, run (by load text); `failure` once it fell out.

    `asked`: the job asked for it; otherwise it is measured along as a yardstick.
    """

    variant: Variant
    asked: bool
    verified: VerifyResult | None = None
    failure: JobError | None = None
    runs: dict[str, list[RunResult]] = field(default_factory=dict)


def assemble(
    candidates: Sequence[Candidate], loads: Sequence[Load], inputs: InputsResult, *, epsilon: float
) -> tuple[Profile, ...]:
    """One profile for each variant and load, asked ones first."""
    profiles = []
    for candidate in candidates:
        for load in loads:
            offer = _judge(candidate, candidates, load, epsilon)
            profiles.append(_profile(candidate, load, inputs, offer))
    return _with_batch_laws(profiles)


def headlines(load: Load, runs: Iterable[RunResult]) -> list[float]:
    """What repeats under this load are judged by, smaller is better: the median response latency in milliseconds.

    Where requests wait on purpose (offline) or the load is steered (find_peak), it is the time between two inferences.
    """
    name = "p50_ms"
    if load.scenario is Scenario.OFFLINE:
        name = "throughput_per_s"
    elif load.scenario is Scenario.FIND_PEAK:
        name = "peak_rate_per_s"
    found = []
    for run in runs:
        value = next((one.value for one in run.measurements if one.name == name), None)
        if value is not None and value > 0:
            found.append(value if name == "p50_ms" else 1e3 / value)
    return found


def _judge(candidate: Candidate, candidates: Sequence[Candidate], load: Load, epsilon: float) -> Offer:
    if candidate.failure is not None:
        return Offer(offered=False, reason=f"rejected: {candidate.failure.code}: {candidate.failure.message}")
    verified = candidate.verified
    assert verified is not None  # noqa: S101 - whatever was not verified has failed
    text = format_load(load)
    runs = candidate.runs.get(text, ())
    if not any(not run.reasons for run in runs):
        return Offer(offered=False, reason="rejected: no run of it counts")
    yardstick = replace(candidate.variant, precision=Precision.FP32)
    beside = next((one for one in candidates if one.variant == yardstick), None)
    speed = None
    if candidate.variant != yardstick and beside is not None:
        # Runs of one repeat stand beside each other in time, so their ratio is free of slow drift.
        pairs = [
            (its[0], own[0])
            for mine, other in zip(runs, beside.runs.get(text, ()), strict=False)
            if not mine.reasons and not other.reasons
            if (own := headlines(load, [mine])) and (its := headlines(load, [other]))
        ]
        speed = speed_up([its for its, _ in pairs], [own for _, own in pairs]) if pairs else None
    return decide(candidate.variant, speed, verified.loss, epsilon, problem=verified.problem)


def _profile(candidate: Candidate, load: Load, inputs: InputsResult, offer: Offer) -> Profile:
    text = format_load(load)
    runs = tuple(candidate.runs.get(text, ()))
    valid = [run for run in runs if not run.reasons]
    reasons: tuple[InvalidReason, ...] = ()
    if 2 * len(valid) < len(runs) or not runs:
        reasons = _reasons(runs, candidate.failure)
    measurements = [*sum_up(valid or runs), *inputs.measurements, *_cold(candidate.verified)]
    if candidate.verified is not None:
        measurements += candidate.verified.measurements
    if offer.speed_up is not None:
        measurements.append(
            Measurement(
                name="speed_up",
                value=offer.speed_up,
                unit="",
                low=offer.low,
                high=offer.high,
                source="paired runs",
                detail="over compiled fp32 of the same backend under the same load",
            )
        )
    return Profile(
        variant=candidate.variant,
        load=load,
        load_text=text,
        reasons=reasons,
        measurements=tuple(measurements),
        histogram=merge_histograms([run.histogram for run in valid if run.histogram]) if valid else "",
        runs=tuple(
            RunSummary(
                reasons=run.reasons,
                measurements=run.measurements,
                schedule_digest=run.schedule_digest,
                started_at=run.started_at,
            )
            for run in runs
        ),
        offered=offer.offered,
        offer_reason=_explained(offer, candidate, inputs),
        verified_on=inputs.verified_on,
        versions={} if candidate.verified is None else candidate.verified.versions,
        form=_loaded_by_all(valid or runs, candidate.verified),
    )


def _loaded_by_all(runs: Sequence[RunResult], verified: VerifyResult | None) -> Form | None:
    """What was verified and all of the runs loaded; None where that is not one and the same."""
    found = [None if verified is None else verified.form, *(run.form for run in runs)]
    same = len({None if form is None else form.digest for form in found}) == 1
    return found[-1] if same and runs else None


def sum_up(runs: Sequence[RunResult]) -> list[Measurement]:
    """Each quantity over several runs: the median of the runs' values with the interval of that median.

    One run alone keeps its own interval. A quantity that no run could measure stays as it is, with its reason. Stages
    are those of the run whose mean latency is the median, so that they add up to it.
    """
    by_name: dict[str, list[Measurement]] = {}
    for run in runs:
        for one in run.measurements:
            by_name.setdefault(one.name, []).append(one)
    middle = [{one.name: one for one in run.measurements} for run in _middle(runs)]
    return [
        _of_middle([run[name] for run in middle if name in run] or found) if name in STAGE_NAMES else _over_runs(found)
        for name, found in by_name.items()
    ]


def _middle(runs: Sequence[RunResult]) -> list[RunResult]:
    """The run whose mean latency is the median, or the two that it lies between."""
    means = [(one.value, place) for place, run in enumerate(runs) for one in run.measurements if one.name == "mean_ms"]
    means.sort()
    return [runs[means[place][1]] for place in sorted({(len(means) - 1) // 2, len(means) // 2})] if means else []


def _of_middle(found: Sequence[Measurement]) -> Measurement:
    known = [one for one in found if one.source != "none"]
    return replace(known[0], value=statistics.fmean(one.value for one in known)) if known else found[0]


def _over_runs(found: Sequence[Measurement]) -> Measurement:
    known = [one for one in found if one.source != "none"]
    if len(known) < 2:
        return known[0] if known else found[0]
    values = [one.value for one in known]
    if known[0].name in LARGEST_OF_RUNS:
        return replace(known[0], value=max(values), low=None, high=None)
    low, high = median_interval(values) if len(values) > 2 else (min(values), max(values))
    return replace(known[0], value=statistics.median(values), low=low, high=high)


def _reasons(runs: Sequence[RunResult], failure: JobError | None) -> tuple[InvalidReason, ...]:
    """Every rule that was broken, once, with how often; without a run, why there is none."""
    if not runs:
        detail = "no run was made" if failure is None else f"no run was made: {failure.message}"
        return (InvalidReason("too_few_queries", detail),)
    found: dict[str, list[str]] = {}
    for run in runs:
        for reason in run.reasons:
            found.setdefault(reason.rule, []).append(reason.detail)
    return tuple(
        InvalidReason(rule, f"{details[0]} (in {len(details)} of {len(runs)} runs)") for rule, details in found.items()
    )


def _cold(verified: VerifyResult | None) -> list[Measurement]:
    if verified is None:
        return []
    cold = verified.cold
    parts = {
        "process_start_ms": cold.process_start_ns,
        "load_ms": cold.load_ns,
        "compile_ms": cold.compile_ns,
        "first_inference_ms": cold.first_inference_ns,
    }
    total = {"cold_start_ms": sum(parts.values())}
    return [
        Measurement(name=name, value=value / 1e6, unit="ms", source="fresh process, empty cache")
        for name, value in (total | parts).items()
    ]


def _explained(offer: Offer, candidate: Candidate, inputs: InputsResult) -> str:
    if candidate.failure is not None or inputs.verified_on == "sample" or not inputs.note:
        return offer.reason
    return f"{offer.reason} (checked on generated inputs: {inputs.note})"


def _with_batch_laws(profiles: Sequence[Profile]) -> tuple[Profile, ...]:
    """Adds slope and intercept of latency over batch size where one variant was measured at several."""
    groups: dict[tuple[Variant, str], list[Profile]] = {}
    for profile in profiles:
        if profile.load.scenario is Scenario.SINGLE_STREAM and profile.valid:
            groups.setdefault((replace(profile.variant, batch_size=1), profile.load_text), []).append(profile)
    laws = {}
    for key, members in groups.items():
        points = [(one.variant.batch_size, one_ms) for one in members if (one_ms := _value(one, "p50_ms")) is not None]
        if len({batch for batch, _ in points}) > 1:
            laws[key] = fit_batch_law([batch for batch, _ in points], [latency for _, latency in points])
    result = []
    for profile in profiles:
        law = laws.get((replace(profile.variant, batch_size=1), profile.load_text))
        extra = (
            ()
            if law is None
            else (
                Measurement(
                    name="batch_slope_ms", value=law.slope_ms, unit="ms", source="batch sweep", detail="per row"
                ),
                Measurement(name="batch_intercept_ms", value=law.intercept_ms, unit="ms", source="batch sweep"),
            )
        )
        result.append(replace(profile, measurements=(*profile.measurements, *extra)))
    return tuple(result)


def _value(profile: Profile, name: str) -> float | None:
    return next((one.value for one in profile.measurements if one.name == name), None)

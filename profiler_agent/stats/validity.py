"""When a run counts: the rules, each answered in words with what was measured and what was allowed.

    too_short, too_few_queries  both minima must be met
    too_few_samples             the percentile asked for needs more (`percentiles.count_to_print`)
    unsteady                    the thirds of the run differ (`steadiness`)
    late_generator, rate_missed the generator fell behind its schedule (`pace`), and not because the target did
    littles_law                 the run is not in equilibrium, or its clocks are wrong (`littles_law`)
    failed_requests             a request failed
    in_flight_cap, max_duration the run was cut short

What the host did to the run (disturbed, throttled, memory_pressure) the meters say.
"""

from __future__ import annotations

from collections.abc import Iterator

from numpy.typing import ArrayLike

from profiler_agent.stats.littles_law import TOLERANCE, littles_law
from profiler_agent.stats.pace import LATE_SHARE, RATE_SHARE, pace_of, saturation
from profiler_agent.stats.percentiles import count_to_print
from profiler_agent.stats.steadiness import Windows, latency_windows, throughput_windows
from profiler_agent.stats.timeline import Timeline, timeline
from profiler_agent.work import InvalidReason, Load, RunLimits, Scenario

UNSTEADY_ARRIVALS = frozenset({"burst", "spike", "diurnal", "trace", "progressive"})
"""Arrival patterns whose rate changes on purpose, so that windows cannot agree nor an equilibrium be reached."""

_GAPS_ALLOWED = 7
"""A Poisson schedule may end this many mean gaps before the duration it was drawn for (by chance: e^-7)."""


def run_timeline(
    load: Load,
    *,
    scheduled_ns: ArrayLike,
    sent_ns: ArrayLike,
    started_ns: ArrayLike,
    finished_ns: ArrayLike,
    failed: ArrayLike,
) -> Timeline:
    """The timeline of a run under that load. Raises ValueError if the arrays differ in length."""
    return timeline(
        scheduled_ns,
        sent_ns,
        started_ns,
        finished_ns,
        failed,
        open_loop=load.scenario in (Scenario.SERVER, Scenario.FIND_PEAK),
        all_at_once=load.scenario is Scenario.OFFLINE,
    )


def judge(
    run: Timeline,
    load: Load,
    limits: RunLimits,
    *,
    percent: float | None = None,
    capped: bool = False,
    stopped_early: bool = False,
    first_error: str = "",
) -> tuple[InvalidReason, ...]:
    """Every rule that the run breaks; none if it counts.

    `percent` is the percentile that must be had: by default the 99th where the load sets a limit on it, else the
    median. `capped`: the cap on requests in flight was hit. `stopped_early`: the longest duration was reached.
    """
    if percent is None:
        percent = 99.0 if load.p99_limit_ms > 0 else 50.0
    reasons = [*_cut_short(capped, stopped_early, limits), *_failures(run, first_error)]
    reasons += _counts(run, limits, percent)
    if run.count:
        even = not (run.open_loop and load.arrival in UNSTEADY_ARRIVALS)
        reasons += _pace(run)
        reasons += _steady(run) if even else ()
        reasons += _equilibrium(run, load) if even else ()
    return tuple(reasons)


def _cut_short(capped: bool, stopped_early: bool, limits: RunLimits) -> Iterator[InvalidReason]:
    if capped:
        yield InvalidReason("in_flight_cap", "the cap on requests in flight was hit: the target is far behind the load")
    if stopped_early:
        yield InvalidReason(
            "max_duration", f"the run was stopped after {limits.max_duration_s:g} s, the longest allowed"
        )


def _failures(run: Timeline, first_error: str) -> Iterator[InvalidReason]:
    if run.failed:
        told = f"; the first: {first_error}" if first_error else ""
        yield InvalidReason(
            "failed_requests", f"{run.failed} of {run.failed + run.count} requests failed, none may{told}"
        )


def _counts(run: Timeline, limits: RunLimits, percent: float) -> Iterator[InvalidReason]:
    lasted = run.span_s if run.count else 0.0
    gap = _GAPS_ALLOWED * lasted / run.count if run.open_loop and run.count else 0.0
    if lasted + gap < limits.min_duration_s:
        yield InvalidReason(
            "too_short", f"the run lasted {lasted:.3g} s, at least {limits.min_duration_s:g} s are asked"
        )
    if run.count < limits.min_queries:
        yield InvalidReason(
            "too_few_queries", f"{run.count} requests were answered, at least {limits.min_queries} are asked"
        )
    needed = count_to_print(percent)
    if run.count < needed:
        yield InvalidReason(
            "too_few_samples", f"p{percent:g} needs {needed} requests at confidence 0.99, there are {run.count}"
        )


def _pace(run: Timeline) -> Iterator[InvalidReason]:
    pace = pace_of(run)
    if pace.late > LATE_SHARE * run.count:
        yield InvalidReason(
            "late_generator",
            f"{pace.late} of {run.count} requests ({pace.late / run.count:.1%}) were sent more than "
            f"{pace.late_after_ns / 1e6:.3g} ms late, at most {LATE_SHARE:.0%} may be",
        )
    if pace.sent_share < RATE_SHARE and not pace.saturated:
        yield InvalidReason(
            "rate_missed",
            f"requests were sent at {pace.asked_per_s * pace.sent_share:.4g}/s, {pace.sent_share:.1%} of the "
            f"{pace.asked_per_s:.4g}/s of the schedule; at least {RATE_SHARE:.0%} are asked",
        )


def _steady(run: Timeline) -> Iterator[InvalidReason]:
    told = []
    latency, throughput = latency_windows(run), throughput_windows(run)
    if latency is not None and not latency.steady:
        told.append(_in_words("median latency", [f"{value / 1e6:.3g} ms" for value in latency.values], latency))
    if throughput is not None and not throughput.steady:
        shown = [f"{value:.1%} of the schedule" if run.open_loop else f"{value:.4g}/s" for value in throughput.values]
        told.append(_in_words("throughput", shown, throughput))
    if told:
        told += [words] if (words := saturation(run)) else []
        yield InvalidReason("unsteady", "; ".join(told))


def _in_words(what: str, shown: list[str], windows: Windows) -> str:
    return (
        f"{what} was {', '.join(shown)} in the thirds of the run, {windows.spread:.0%} apart; at most 10% are allowed"
    )


def _equilibrium(run: Timeline, load: Load) -> Iterator[InvalidReason]:
    clients = load.streams if load.scenario is Scenario.CONCURRENCY else 1
    law = littles_law(run, clients)
    if law is None or law.holds:
        return
    told = "were in flight on average" if run.open_loop else "clients were to wait at any time"
    yield InvalidReason(
        "littles_law",
        f"{law.in_flight:.3g} {told}, throughput times mean latency is {law.rate_times_latency:.3g}; they may differ "
        f"by {TOLERANCE:.0%}",
    )

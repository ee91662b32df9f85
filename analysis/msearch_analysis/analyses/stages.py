"""Where the time of a request goes.

Profiles of a pipeline, or over a network, hold the mean of each stage, and these add up to the mean latency. Of any
other profile the medians of the parts are drawn, with pre- and post-processing beside them, which its requests lack.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from msearch_analysis.analyses._columns import REASONS, WHAT, measured, values, what
from msearch_analysis.analyses._definition import Analysis, Findings, Options
from msearch_analysis.analyses._groups import MOST_BARS, MOST_TIMES, group, largest, not_drawn
from msearch_analysis.charts import Axis, Stack, Stacks
from msearch_analysis.labels import name_of, quantity_of, titled
from msearch_analysis.rows import Row, Study
from msearch_analysis.tables import Table

STAGES = {
    "way to the model": "stage_uplink_ms",
    "queueing": "stage_queue_ms",
    "pre-processing": "stage_preprocess_ms",
    "execution": "stage_inference_ms",
    "post-processing": "stage_postprocess_ms",
    "way back": "stage_downlink_ms",
}
"""In the order in which a request goes through them."""

QUANTITIES = (
    "mean_ms", *STAGES.values(), "p50_ms", "preprocess_ms", "uplink_p50_ms", "dispatch_p50_ms", "queue_p50_ms",
    "batch_wait_p50_ms", "service_p50_ms", "downlink_p50_ms", "postprocess_ms", "uplink_p99_ms", "queue_p99_ms",
    "batch_wait_p99_ms", "service_p99_ms", "downlink_p99_ms",
)  # fmt: skip
WAYS = ("way to the model", "way back")
PARTS = ("pre-processing", WAYS[0], "queueing", "wait for a batch", "execution", WAYS[1], "post-processing")


class Breakdown(NamedTuple):
    """Parts of a request in milliseconds by name, and the whole where it was measured."""

    parts: dict[str, float]
    whole: float | None


def _analyse(study: Study, options: Options) -> Findings:
    rows = [row for row in study.shown if row.value("service_p50_ms") is not None]
    groups = group(rows, lambda row: (row.load, row.host_class, in_stages(row)))
    drawn = largest(groups)
    charts = tuple(
        _chart(titled(study, load, host=host), members, staged=staged)
        for (load, host, staged), members in drawn.items()
    )
    quantities = [quantity_of(study, name) for name in QUANTITIES]
    cells = tuple(what(row) | values(row, quantities) for row in rows)
    return Findings(Table((*WHAT, *measured(quantities), REASONS), cells), charts, not_drawn(groups, drawn))


def in_stages(row: Row) -> bool:
    """Whether it holds the mean of each stage."""
    return row.value(STAGES["execution"]) is not None


def stages_of(row: Row) -> Breakdown:
    """Means of the stages; they add up to the mean latency, which is the whole."""
    found = {stage: value for stage, name in STAGES.items() if (value := row.value(name)) is not None}
    return Breakdown(found, row.value("mean_ms"))


def parts_of(row: Row) -> Breakdown:
    """Medians of the parts, as `PARTS`; the wait for a batch is inside of queueing. The whole is their median."""
    wait = row.value("batch_wait_p50_ms") or 0.0
    queueing = max((row.value("queue_p50_ms") or 0.0) - wait, 0.0)
    before, there, execution, back, after = (
        row.value(name) or 0.0
        for name in ("preprocess_ms", "uplink_p50_ms", "service_p50_ms", "downlink_p50_ms", "postprocess_ms")
    )
    found = dict(zip(PARTS, (before, there, queueing, wait, execution, back, after), strict=True))
    median = row.value("p50_ms")
    return Breakdown(found, None if median is None else before + median + after)


def _chart(title: str, rows: Sequence[Row], *, staged: bool) -> Stacks:
    broken = {row.id: stages_of(row) if staged else parts_of(row) for row in rows}
    times = {row.id: sum(broken[row.id].parts.values()) for row in rows}
    near = [row for row in rows if times[row.id] <= MOST_TIMES * min(times.values())]
    ordered = sorted(near, key=lambda row: (not row.valid, times[row.id]))[:MOST_BARS]
    found = [broken[row.id] for row in ordered]
    # Medians of a profile without a network say nothing of one. A stage that no request had is not drawn, and all
    # others have their colour in every picture.
    kept = [part for part in (STAGES if staged else PARTS) if staged or part not in WAYS or _any_has(found, part)]
    stacks = tuple(
        Stack(name_of(row), tuple(one.parts.get(part, 0.0) for part in kept), row.valid,
              "" if row.valid else "INVALID", one.whole)
        for row, one in zip(ordered, found, strict=True)
    )  # fmt: skip
    mean = "mean" if staged else "median"
    return Stacks(title, Axis(f"{mean} time", "ms"), tuple(kept), stacks, mark=f"{mean} of the whole")


def _any_has(found: Sequence[Breakdown], part: str) -> bool:
    return any(one.parts.get(part) for one in found)


ANALYSIS = Analysis(
    name="stages",
    title="Stages of a request",
    place=80,
    summary="the way to the model, queueing, pre-processing, execution, post-processing, the way back",
    reading="Of a pipeline, or over a network: the mean of each stage within the requests, which add up to the mean "
    "latency (the mark). Of other profiles: medians of the parts, which need not add up to the median of the whole, "
    "with pre- and post-processing of a sample beside them.",
    function=_analyse,
)

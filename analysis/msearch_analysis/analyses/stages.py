"""Where the time of a request goes."""

from __future__ import annotations

from msearch_analysis.analyses._columns import REASONS, WHAT, measured, values, what
from msearch_analysis.analyses._definition import Analysis, Findings, Options
from msearch_analysis.analyses._groups import MOST_BARS, MOST_TIMES, group, largest, not_drawn
from msearch_analysis.charts import Axis, Stack, Stacks
from msearch_analysis.labels import name_of, quantity_of, titled
from msearch_analysis.rows import Row, Study
from msearch_analysis.tables import Table

QUANTITIES = (
    "p50_ms", "preprocess_ms", "uplink_p50_ms", "dispatch_p50_ms", "queue_p50_ms", "batch_wait_p50_ms",
    "service_p50_ms", "downlink_p50_ms", "postprocess_ms", "uplink_p99_ms", "queue_p99_ms", "batch_wait_p99_ms",
    "service_p99_ms", "downlink_p99_ms",
)  # fmt: skip
WAYS = ("way to the model", "way back")
PARTS = ("pre-processing", WAYS[0], "queueing", "wait for a batch", "execution", WAYS[1], "post-processing")


def _analyse(study: Study, options: Options) -> Findings:
    rows = [row for row in study.shown if row.value("service_p50_ms") is not None]
    groups = group(rows, lambda row: (row.load, row.host_class))
    drawn = largest(groups)
    charts = tuple(_chart(titled(study, load, host=host), members) for (load, host), members in drawn.items())
    quantities = [quantity_of(study, name) for name in QUANTITIES]
    cells = tuple(what(row) | values(row, quantities) for row in rows)
    return Findings(Table((*WHAT, *measured(quantities), REASONS), cells), charts, not_drawn(groups, drawn))


def parts_of(row: Row) -> tuple[float, ...]:
    """Medians of the parts of a request in milliseconds, as `PARTS`; the wait for a batch is inside of queueing."""
    wait = row.value("batch_wait_p50_ms") or 0.0
    queueing = max((row.value("queue_p50_ms") or 0.0) - wait, 0.0)
    before, there, execution, back, after = (
        row.value(name) or 0.0
        for name in ("preprocess_ms", "uplink_p50_ms", "service_p50_ms", "downlink_p50_ms", "postprocess_ms")
    )
    return (before, there, queueing, wait, execution, back, after)


def _chart(title: str, rows: list[Row]) -> Stacks:
    shortest = min(sum(parts_of(row)) for row in rows)
    near = [row for row in rows if sum(parts_of(row)) <= MOST_TIMES * shortest]
    ordered = sorted(near, key=lambda row: (not row.valid, sum(parts_of(row))))[:MOST_BARS]
    # Without a network nothing is said of one.
    kept = [
        place for place, part in enumerate(PARTS) if part not in WAYS or any(parts_of(row)[place] for row in ordered)
    ]
    stacks = []
    for row in ordered:
        parts, median = parts_of(row), row.value("p50_ms")
        mark = None if median is None else parts[0] + median + parts[-1]
        note = "" if row.valid else "INVALID"
        stacks.append(Stack(name_of(row), tuple(parts[place] for place in kept), row.valid, note, mark))
    return Stacks(
        title, Axis("median time", "ms"), tuple(PARTS[place] for place in kept), tuple(stacks),
        mark="median of the whole",
    )  # fmt: skip


ANALYSIS = Analysis(
    name="stages",
    title="Stages of a request",
    place=80,
    summary="pre-processing, the way to the model, queueing, the wait for a batch, execution, the way back, "
    "post-processing",
    reading="Medians of each part. Medians need not add up to the median of the whole, which the mark shows: "
    "response latency, with pre- and post-processing.",
    function=_analyse,
)

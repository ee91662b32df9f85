"""How long until the first answer, and what takes the time."""

from __future__ import annotations

from msearch_analysis.analyses._columns import SUBJECT, measured, values, what
from msearch_analysis.analyses._definition import Analysis, Findings, Options
from msearch_analysis.analyses._groups import MOST_BARS, group, largest, not_drawn
from msearch_analysis.charts import Axis, Stack, Stacks
from msearch_analysis.labels import name_of, quantity_of, titled, words_of
from msearch_analysis.rows import Row, Study
from msearch_analysis.tables import Column, Table

PARTS = ("process_start_ms", "load_ms", "compile_ms", "first_inference_ms")
TOTAL = "cold_start_ms"


def _analyse(study: Study, options: Options) -> Findings:
    # A variant starts cold once a job, whatever its loads, and whether or not the runs after it counted.
    started = [row for row in study.shown if row.value(TOTAL) is not None]
    one_each = list({(row.host_class, row.model, row.variant): row for row in started}.values())
    groups = group(one_each, lambda row: row.host_class)
    drawn = largest(groups)
    charts = tuple(_chart(titled(study, "shortest first", host=host), rows) for host, rows in drawn.items())
    quantities = [quantity_of(study, name) for name in (TOTAL, *PARTS)]
    table = Table(
        (*(column for column in SUBJECT if column.name != "load"), *measured(quantities), Column("profile")),
        tuple(what(row) | values(row, quantities) for row in one_each),
    )
    return Findings(table, charts, not_drawn(groups, drawn))


def _chart(title: str, rows: list[Row]) -> Stacks:
    ordered = sorted(rows, key=lambda row: row.value(TOTAL) or 0.0)[:MOST_BARS]
    stacks = tuple(Stack(name_of(row), tuple(row.value(part) or 0.0 for part in PARTS)) for row in ordered)
    axis = Axis("time to the first answer", "ms")
    return Stacks(title, axis, tuple(map(words_of, PARTS)), stacks)


ANALYSIS = Analysis(
    name="cold-start",
    title="Cold start",
    place=70,
    summary="from nothing to the first answer: starting, loading, compiling, the first inference",
    reading="Measured once a job, in a fresh process with an empty cache, so without interval.",
    function=_analyse,
)

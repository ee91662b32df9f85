"""What a faster form of a model costs in accuracy."""

from __future__ import annotations

from msearch_analysis.analyses._columns import REASONS, WHAT, interval, what, with_interval
from msearch_analysis.analyses._definition import Analysis, Findings, Options
from msearch_analysis.analyses._groups import MOST_LINES, group, largest, not_drawn
from msearch_analysis.charts import Axis, Guide, Plot, Point, Series
from msearch_analysis.labels import name_of, quantity_of, titled
from msearch_analysis.rows import Estimate, Row, Study
from msearch_analysis.tables import Column, Table

SPEED, LOSS = "speed_up", "accuracy_loss"


def _analyse(study: Study, options: Options) -> Findings:
    rows = [row for row in study.shown if row.value(SPEED) is not None]
    groups = group((row for row in rows if row.value(LOSS) is not None), lambda row: (row.load, row.host_class))
    drawn = largest(groups, most=4)
    charts = tuple(_chart(study, titled(study, load, host=host), members) for (load, host), members in drawn.items())
    quantities = [quantity_of(study, name) for name in (SPEED, LOSS)]
    cells = tuple(
        what(row)
        | interval(row, *quantities)
        | {"offer": "offered" if row.offered else "rejected", "why": row.offer_reason}
        for row in rows
    )
    columns = (
        *WHAT, *with_interval(*quantities),
        Column("offer"), Column("why"), REASONS,
    )  # fmt: skip
    notes = not_drawn(groups, drawn)
    if not rows:
        notes = ("no variant was measured beside fp32 of the same backend: ask for int8 or bf16 as well",)
    return Findings(Table(columns, cells), charts, notes)


def _chart(study: Study, title: str, rows: list[Row]) -> Plot:
    # A colour is a variant's, as everywhere, unless models have to be told apart.
    by_model = len({(row.model, row.variant) for row in rows}) <= MOST_LINES
    groups = group(rows, lambda row: (name_of(row) if by_model else row.variant, row.offered))
    series = tuple(
        Series(
            f"{name}, {'offered' if offered else 'rejected'}",
            tuple(_point(row) for row in members),
            number if by_model else study.colour(members[0]),
            hollow=not offered,
        )
        for number, ((name, offered), members) in enumerate(largest(groups, most=MOST_LINES).items())
    )
    return Plot(
        title, Axis("accuracy loss", "percentage points"), Axis("speed-up over fp32", "times"),
        series, (Guide("y", 1.0, "as fast as fp32"),),
    )  # fmt: skip


def _point(row: Row) -> Point:
    speed, loss = row.quantities[SPEED], _times(row.quantities[LOSS], 100)
    return Point(loss.value, speed.value, speed.low, speed.high, loss.low, loss.high, valid=row.valid)


def _times(estimate: Estimate, factor: float) -> Estimate:
    low, high = (None if end is None else factor * end for end in (estimate.low, estimate.high))
    return Estimate(factor * estimate.value, low, high)


ANALYSIS = Analysis(
    name="variants",
    title="Speed-up and accuracy loss",
    place=50,
    summary="how much faster a variant is than compiled fp32, and what it loses",
    reading="Up and to the left is better. Filled points are offered: surely faster, and surely within the accuracy "
    "loss allowed; hollow ones are rejected. Loss is against labels where the sample has them, else "
    "disagreement with fp32.",
    function=_analyse,
)

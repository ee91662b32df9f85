"""Who is best in one quantity, under each load on each kind of host."""

from __future__ import annotations

from collections.abc import Sequence

from msearch_analysis.analyses._columns import REASONS, WHAT, interval, what, with_interval
from msearch_analysis.analyses._definition import Analysis, Findings, Options
from msearch_analysis.analyses._groups import MOST_BARS, MOST_TIMES, best_first, group, largest, not_drawn, spread
from msearch_analysis.charts import Bar, Bars
from msearch_analysis.labels import name_of, quantity_of, scale_of, titled, words_of
from msearch_analysis.rows import Quantity, Row, Study
from msearch_analysis.tables import Column, Table, Value

METRIC = "p99_ms"
MOST_INVALID = 3


def _analyse(study: Study, options: Options) -> Findings:
    quantity = quantity_of(study, options.metric or METRIC)
    groups = group(study.shown, lambda row: (row.load, row.host_class))
    drawn = largest({key: rows for key, rows in groups.items() if best_first(rows, quantity)})
    rows = [cells for members in groups.values() for cells in _ranked(members, quantity)]
    columns = (
        Column("rank", number=True), *WHAT, *with_interval(quantity), Column("offer"), REASONS, Column("profile"),
    )  # fmt: skip
    charts = tuple(
        _chart(study, titled(study, load, host=host), members, quantity) for (load, host), members in drawn.items()
    )
    unmeasured = sum(row.value(quantity.name) is None for row in study.shown)
    notes = not_drawn(groups, drawn)
    if unmeasured:
        notes += (f"{words_of(quantity.name)} was not measured in {unmeasured} of {len(study.shown)} profiles",)
    return Findings(Table(columns, tuple(rows)), charts, notes)


def _ranked(rows: list[Row], quantity: Quantity) -> list[dict[str, Value]]:
    """Cells of a group: VALID ones by rank, then those without rank."""
    ordered = [row for row in best_first(rows, quantity) if row.valid]
    rest = [row for row in rows if row not in ordered]
    return [
        {"rank": rank if rank <= len(ordered) else None}
        | what(row)
        | interval(row, quantity)
        | {"offer": "offered" if row.offered else "rejected"}
        for rank, row in enumerate([*ordered, *rest], 1)
    ]


def _chart(study: Study, title: str, rows: list[Row], quantity: Quantity) -> Bars:
    ordered = best_first(rows, quantity)
    shown = [row for row in ordered if row.valid and _comparable(row, ordered[0], quantity)][:MOST_BARS]
    shown += [row for row in ordered if not row.valid][:MOST_INVALID]
    return bars_of(study, title, shown, quantity)


def _comparable(row: Row, best: Row, quantity: Quantity) -> bool:
    """Whether its bar leaves those of the best visible."""
    pair = [row.quantities[quantity.name].value, best.quantities[quantity.name].value]
    return not quantity.less_is_better or spread(pair) <= MOST_TIMES


def bars_of(study: Study, title: str, rows: Sequence[Row], quantity: Quantity) -> Bars:
    """A bar a profile; all have the quantity."""
    scale = scale_of(quantity, (row.quantities[quantity.name].value for row in rows))
    return Bars(title, scale.axis, tuple(_bar(study, row, scale.point(row.quantities[quantity.name])) for row in rows))


def _bar(study: Study, row: Row, drawn: tuple[float, float | None, float | None]) -> Bar:
    note = "INVALID" if not row.valid else "" if row.offered else "rejected"
    return Bar(name_of(row), *drawn, row.valid, note, study.colour(row))


ANALYSIS = Analysis(
    name="leaderboard",
    title="Leaderboard",
    place=10,
    summary="the best in any quantity, under each load on each kind of host",
    reading="Shorter is better for latency, memory, energy and cost; longer for throughput. Whiskers are 95 % "
    "intervals. Profiles rank only against those of the same load and host class; INVALID ones have no rank. "
    f"Pictures show the best {MOST_BARS} within {MOST_TIMES} times the best. "
    "A rejected variant was fast but not worth deploying: see the offer.",
    function=_analyse,
    takes_metric=True,
)

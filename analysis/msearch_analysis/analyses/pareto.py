"""Configurations that no other beats in two quantities at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from msearch_analysis.analyses._columns import REASONS, WHAT, measured, values, what
from msearch_analysis.analyses._definition import Analysis, Findings, Options
from msearch_analysis.analyses._groups import MOST_CHARTS, group, is_wide
from msearch_analysis.charts import Plot, Point, Series
from msearch_analysis.labels import name_of, quantity_of, scale_of, titled, words_of
from msearch_analysis.rows import Quantity, Row, Study
from msearch_analysis.tables import Column, Table

BASE = "p99_ms"
PARTNERS = ("throughput_per_s", "accuracy_loss", "peak_memory_bytes", "energy_j", "cost_per_1k")
LEAST = 3
MOST_PER_PAIR = 2

Drawn: TypeAlias = tuple[float, float | None, float | None]


def front(points: Sequence[tuple[float, float]], *, less_x: bool, less_y: bool) -> list[int]:
    """Places of the points that no other is at least as good as in both values and better in one, by their x."""
    signed = [(x if less_x else -x, y if less_y else -y) for x, y in points]
    kept: list[int] = []
    best = float("inf")
    lowest: dict[float, float] = {}
    for x, y in signed:
        lowest[x] = min(y, lowest.get(x, float("inf")))
    for x in sorted(lowest):
        if lowest[x] < best:
            best = lowest[x]
            kept += [place for place, point in enumerate(signed) if point == (x, best)]
    return kept


def _analyse(study: Study, options: Options) -> Findings:
    x = quantity_of(study, BASE)
    partners = [quantity_of(study, name) for name in ((options.metric,) if options.metric else PARTNERS)]
    rows = study.shown
    fronts: dict[str, list[str]] = {}
    charts: list[Plot] = []
    for y in partners:
        held = [row for row in rows if row.value(x.name) is not None and row.value(y.name) is not None]
        groups = group(held, lambda row: (row.load, row.host_class))
        wanted = sorted(groups, key=lambda key: -len(groups[key]))[:MOST_PER_PAIR]
        for key, members in groups.items():
            best = _front(members, x, y)
            for row in best:
                fronts.setdefault(row.id, []).append(words_of(y.name))
            if len(members) >= LEAST and key in wanted and len(charts) < 2 * MOST_CHARTS:
                charts.append(_chart(titled(study, key[0], host=key[1]), members, best, x, y))
    cells = tuple(
        what(row)
        | values(row, (x, *partners))
        | {"front": ", ".join(fronts.get(row.id, ())), "offer": "offered" if row.offered else "rejected"}
        for row in rows
    )
    columns = (
        *WHAT, *measured((x, *partners)), Column("front", heading=f"on the front of {words_of(x.name)} and"),
        Column("offer"), REASONS,
    )  # fmt: skip
    notes = () if charts else (f"a front needs at least {LEAST} profiles under one load on one kind of host",)
    return Findings(Table(columns, cells), tuple(charts), notes)


def _front(rows: list[Row], x: Quantity, y: Quantity) -> list[Row]:
    """Among what could be deployed: VALID and offered."""
    eligible = [row for row in rows if row.valid and row.offered]
    points = [(row.quantities[x.name].value, row.quantities[y.name].value) for row in eligible]
    return [eligible[place] for place in front(points, less_x=x.less_is_better, less_y=y.less_is_better)]


def _chart(title: str, rows: list[Row], best: list[Row], x: Quantity, y: Quantity) -> Plot:
    rest = [row for row in rows if row not in best]
    xs, ys = ([row.quantities[one.name].value for row in rows] for one in (x, y))
    across, up = scale_of(x, xs, log=is_wide(xs)), scale_of(y, ys, log=is_wide(ys))

    def points(members: Sequence[Row], *, named: bool = False) -> tuple[Point, ...]:
        return tuple(
            _point(row, across.point(row.quantities[x.name]), up.point(row.quantities[y.name]), named=named)
            for row in members
        )

    series = (
        Series("on the front", points(best, named=True), 0, line="steps"),
        Series(
            "beaten by one on the front",
            points([row for row in rest if row.valid and row.offered]), 1, muted=True,
        ),
        Series("rejected", points([row for row in rest if row.valid and not row.offered]), 2, hollow=True),
        Series("INVALID", points([row for row in rest if not row.valid]), 3),
    )  # fmt: skip
    kept = tuple(one for one in series if one.points)
    return Plot(title, across.axis, up.axis, kept, from_zero=False)


def _point(row: Row, across: Drawn, up: Drawn, *, named: bool) -> Point:
    (x, x_low, x_high), (y, y_low, y_high) = across, up
    return Point(x, y, y_low, y_high, x_low, x_high, row.valid, name_of(row) if named else "")


ANALYSIS = Analysis(
    name="pareto",
    title="Pareto fronts",
    place=100,
    summary="configurations that no other beats in both p99 latency and another quantity",
    reading="What lies on the front is the best for some preference between the two; all else is beaten in both by "
    "one of them. Only VALID, offered variants can be on it.",
    function=_analyse,
    takes_metric=True,
)

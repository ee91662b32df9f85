"""How the tail grows with the load."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from msearch_analysis.amounts import format_number
from msearch_analysis.analyses._columns import REASONS, WHAT, interval, measured, values, what, with_interval
from msearch_analysis.analyses._definition import Analysis, Findings, Options
from msearch_analysis.analyses._groups import MOST_CHARTS, MOST_LINES, group, is_wide, largest, not_drawn
from msearch_analysis.charts import Axis, Chart, Guide, Plot, Point, Series
from msearch_analysis.labels import Scale, quantity_of, scale_of, titled
from msearch_analysis.rows import Quantity, Row, Study
from msearch_analysis.tables import Column, Table, Value

METRIC = "p99_ms"
BESIDE = ("p50_ms", "throughput_per_s", "cpu_utilisation")
PEAK = "peak_rate_per_s"


class Sweep(NamedTuple):
    """A scenario whose strength varies."""

    scenario: str
    axis: Axis
    strength: Callable[[Row], float]


SWEEPS = (
    Sweep("server", Axis("rate asked", "1/s"), lambda row: row.rate_per_s),
    Sweep("concurrency", Axis("clients"), lambda row: row.clients),
)


def _analyse(study: Study, options: Options) -> Findings:
    quantity = quantity_of(study, options.metric or METRIC)
    beside = [quantity_of(study, name) for name in BESIDE if name != quantity.name]
    charts: list[Chart] = []
    notes: list[str] = []
    cells: list[dict[str, Value]] = []
    for sweep in SWEEPS:
        rows = [row for row in study.shown if row.scenario == sweep.scenario and sweep.strength(row) > 0]
        swept = [
            row
            for line in group(rows, _line).values()
            if len({sweep.strength(row) for row in line}) > 1
            for row in line
        ]
        groups = group(swept, lambda row: (row.model, row.host_class))
        drawn = largest(groups, most=MOST_CHARTS // 2)
        for (model, host), members in drawn.items():
            drawn_values = [value for row in members if (value := row.value(quantity.name)) is not None]
            scale = scale_of(quantity, drawn_values, log=is_wide(drawn_values))
            series = _series(study, members, sweep, quantity, scale)
            guides = _peaks(study, model, host) if sweep.scenario == "server" else ()
            charts.append(Plot(titled(study, model or "no model", host=host), sweep.axis, scale.axis, series, guides))
        notes += not_drawn(groups, drawn)

        cells += [
            what(row) | {"strength": sweep.strength(row)} | interval(row, quantity) | values(row, beside)
            for row in swept
        ]
    if not cells:
        notes.append("a curve needs one variant under at least two rates (server) or numbers of clients (concurrency)")

    strength = Column("strength", heading="rate or clients", number=True)
    columns = (*WHAT, strength, *with_interval(quantity), *measured(beside), REASONS)
    return Findings(Table(columns, tuple(cells)), tuple(charts), tuple(notes))


def _pattern(row: Row) -> str:
    """What the load says beside its strength: arrival pattern, batching."""
    return row.load.partition(",")[2]


def _line(row: Row) -> tuple[str, ...]:
    return (row.model, row.host_class, row.variant, _pattern(row))


def _series(study: Study, rows: list[Row], sweep: Sweep, quantity: Quantity, scale: Scale) -> tuple[Series, ...]:
    """A line a variant and arrival pattern, the longest."""
    lines = group((row for row in rows if row.value(quantity.name) is not None), _line)
    chosen = largest(lines, most=MOST_LINES)
    series = []
    for members in chosen.values():
        ordered = sorted(members, key=sweep.strength)
        points = []
        for row in ordered:
            drawn = scale.point(row.quantities[quantity.name])
            points.append(Point(sweep.strength(row), *drawn, valid=row.valid))
        first = ordered[0]
        label = f"{first.variant}, {_pattern(first)}" if _pattern(first) else first.variant
        series.append(Series(label, tuple(points), study.colour(first), line="straight"))
    return tuple(series)


def _peaks(study: Study, model: str, host: str) -> tuple[Guide, ...]:
    """The largest rates that find_peak found, the first two."""
    held = [row for row in study.current if (row.model, row.host_class) == (model, host)]
    found = [(row, peak) for row in held if (peak := row.value(PEAK)) is not None]
    return tuple(Guide("x", peak, f"peak of {row.variant}: {format_number(peak)}/s") for row, peak in found[:2])


ANALYSIS = Analysis(
    name="load-curves",
    title="Tail against load",
    place=30,
    summary="a latency percentile over the rate asked, or over the number of clients",
    reading="Bars are 95 % intervals. A cross is INVALID: no line touches it. Where the curve turns up, the model "
    "saturates; a dotted line is the rate that find_peak found.",
    function=_analyse,
    takes_metric=True,
)

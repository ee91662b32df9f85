"""How latencies are distributed, not only their percentiles."""

from __future__ import annotations

from msearch_analysis.analyses._columns import REASONS, WHAT, interval, what, with_interval
from msearch_analysis.analyses._definition import Analysis, Findings, Options
from msearch_analysis.analyses._groups import MOST_CHARTS, MOST_LINES, group, is_wide, largest, not_drawn
from msearch_analysis.charts import Axis, Chart, Plot, Point, Range, Ranges, Series
from msearch_analysis.distributions import band, may_tell, quantile, steps
from msearch_analysis.labels import quantity_of, titled
from msearch_analysis.rows import Row, Study
from msearch_analysis.tables import Column, Table, Value

INTERVALS = ("p50_ms", "p99_ms")
SHARES = {"p5": 0.05, "p25": 0.25, "p75": 0.75, "p90": 0.90, "p95": 0.95, "p999": 0.999}
DRAWN_TO = 0.995
"""Beyond, single requests would stretch the axis."""
HEADINGS = {"p999": "p99.9"}


def _analyse(study: Study, options: Options) -> Findings:
    rows = study.shown
    groups = group((row for row in rows if row.histogram), lambda row: (row.model, row.load, row.host_class))
    drawn = largest(groups, most=MOST_CHARTS // 2)
    charts: list[Chart] = []
    for (model, load, host), members in drawn.items():
        best = sorted(members, key=lambda row: quantile(row.histogram, 0.5))[:MOST_LINES]
        title = titled(study, model or "no model", load, host=host)
        charts += [_ranges(study, title, best), _cumulated(study, title, best)]
    quantities = [quantity_of(study, name) for name in INTERVALS]
    columns = (
        *WHAT,
        Column("requests", number=True),
        *with_interval(*quantities),
        *(Column(f"{name}_of_all_ms", heading=HEADINGS.get(name, name), unit="ms", number=True) for name in SHARES),
        REASONS,
    )
    cells = tuple(what(row) | interval(row, *quantities) | _of_all(row) for row in rows)
    notes = not_drawn(groups, drawn)
    without = sum(row.valid and not row.histogram for row in rows)
    if without:
        notes += (f"{without} VALID profiles carry no histogram",)
    return Findings(Table(columns, cells), tuple(charts), notes)


def _of_all(row: Row) -> dict[str, Value]:
    """Quantiles over the requests of all valid runs, those for which there are enough."""
    count = sum(bucket.count for bucket in row.histogram)
    told = {f"{name}_of_all_ms": share for name, share in SHARES.items() if may_tell(share, count)}
    found: dict[str, Value] = {"requests": count or None}
    return found | {name: quantile(row.histogram, share) for name, share in told.items()}


def _latency(rows: list[Row], low: float) -> Axis:
    ends = [quantile(row.histogram, share) for row in rows for share in (low, DRAWN_TO)]
    return Axis("response latency", "ms", log=is_wide(ends))


def _ranges(study: Study, title: str, rows: list[Row]) -> Ranges:
    ranges = []
    for row in rows:
        low, first, middle, third, high = (quantile(row.histogram, share) for share in (0.05, 0.25, 0.5, 0.75, 0.95))
        enough = may_tell(0.99, sum(bucket.count for bucket in row.histogram))
        tail = quantile(row.histogram, 0.99) if enough else None
        ranges.append(Range(row.variant, middle, (low, high), (first, third), tail, colour=study.colour(row)))
    legend = "dot: median · thick: middle half · thin: 5 % to 95 % · tick: 99 %"
    return Ranges(title, _latency(rows, 0.05), tuple(ranges), legend)


def _cumulated(study: Study, title: str, rows: list[Row]) -> Plot:
    lines = []
    for row in rows:
        reach = band(sum(bucket.count for bucket in row.histogram))
        points = tuple(
            Point(place, 100 * share, 100 * max(share - reach, 0.0), 100 * min(share + reach, 1.0))
            for place, share in steps(row.histogram)
            if share <= DRAWN_TO
        )
        lines.append(Series(row.variant, points, study.colour(row), line="steps", markers=False, band=True))
    return Plot(title, _latency(rows, 0.01), Axis("requests up to that latency", "%"), tuple(lines))


ANALYSIS = Analysis(
    name="latency",
    title="Latency distributions",
    place=20,
    summary="distribution and cumulative distribution of the response latency, with intervals",
    reading="Response latency counts from when a request was due. Bands hold the whole distribution with 95 % "
    "(Dvoretzky-Kiefer-Wolfowitz), taking requests as independent; they are drawn to 99.5 %. Further left and "
    "steeper is better.",
    function=_analyse,
)

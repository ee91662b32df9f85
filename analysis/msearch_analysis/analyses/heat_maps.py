"""One quantity over two settings: batch and threads, batch and rate, batch and layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from msearch_analysis.amounts import format_number
from msearch_analysis.analyses._columns import REASONS, WHAT, measured, values, what
from msearch_analysis.analyses._definition import Analysis, Findings, Options
from msearch_analysis.analyses._groups import MOST_CHARTS, group, largest
from msearch_analysis.charts import Axis, Cell, HeatMap
from msearch_analysis.labels import quantity_of, scale_of, titled
from msearch_analysis.rows import Quantity, Row, Study
from msearch_analysis.tables import Column, Table

METRICS = ("p50_ms", "throughput_per_s", "cpu_utilisation", "gpu_utilisation")

Setting = Callable[[Row], float | None]


class Pair(NamedTuple):
    """Two settings, and what must be equal among the rows of one map, the title included."""

    x: Axis
    x_of: Setting
    y: Axis
    y_of: Setting
    key: Callable[[Row], tuple[str, ...]]


def _batch(row: Row) -> float:
    """Samples that the model is given at once: by the variant, or by the batching in front of it."""
    return row.batch * row.queue_batch


def _form(row: Row) -> str:
    return " ".join(filter(None, (row.backend, row.precision, row.device)))


BATCH = Axis("batch", "samples")
PAIRS = (
    Pair(
        BATCH, _batch, Axis("threads"), lambda row: row.threads,
        lambda row: (row.model, _form(row), row.load, row.host_class),
    ),
    Pair(
        BATCH, _batch, Axis("rate asked", "1/s"), lambda row: row.rate_per_s or None,
        lambda row: (row.model, _form(row), f"threads={row.threads}", row.host_class),
    ),
    Pair(
        BATCH, _batch, Axis("layers"), lambda row: row.layers,
        lambda row: (row.family, _form(row), row.load, f"threads={row.threads}", row.host_class),
    ),
)  # fmt: skip


def _analyse(study: Study, options: Options) -> Findings:
    names = (options.metric,) if options.metric else METRICS
    quantities = [quantity_of(study, name) for name in names]
    rows = study.shown
    charts = [
        chart
        for pair in PAIRS
        for key, members in largest(_grids(rows, pair), most=MOST_CHARTS // len(PAIRS)).items()
        for quantity in quantities
        if (chart := _map(pair, titled(study, *key[:-1], host=key[-1]), members, quantity)) is not None
    ]
    settings = (
        Column("batch", unit="", number=True), Column("threads", number=True),
        Column("rate_per_s", heading="rate asked", unit="1/s", number=True), Column("layers", number=True),
    )  # fmt: skip
    cells = [
        what(row)
        | {"batch": _batch(row), "threads": row.threads, "rate_per_s": row.rate_per_s or None, "layers": row.layers}
        | values(row, quantities)
        for row in rows
    ]
    notes = () if charts else ("a heat map needs at least two values of both settings, all else equal: none has them",)
    return Findings(Table((*WHAT, *settings, *measured(quantities), REASONS), tuple(cells)), tuple(charts), notes)


def _grids(rows: tuple[Row, ...], pair: Pair) -> dict[tuple[str, ...], list[Row]]:
    """Groups with at least two values of both settings."""
    placed = [row for row in rows if pair.x_of(row) is not None and pair.y_of(row) is not None]
    return {
        key: members
        for key, members in group(placed, pair.key).items()
        if len({pair.x_of(row) for row in members}) > 1 and len({pair.y_of(row) for row in members}) > 1
    }


def _map(pair: Pair, title: str, rows: list[Row], quantity: Quantity) -> HeatMap | None:
    held = [row for row in rows if row.value(quantity.name) is not None]
    if len(held) < 3:
        return None
    columns = sorted({value for row in held if (value := pair.x_of(row)) is not None})
    lines = sorted({value for row in held if (value := pair.y_of(row)) is not None})
    scale = scale_of(quantity, (row.quantities[quantity.name].value for row in held))
    cells: list[list[Cell | None]] = [[None] * len(columns) for _ in lines]
    # Of several that share a place, such as two arrival patterns, a VALID one, and of these the first.
    for row in sorted(held, key=lambda row: row.valid):
        x, y, value = pair.x_of(row), pair.y_of(row), row.value(quantity.name)
        if x is not None and y is not None and value is not None:
            cells[lines.index(y)][columns.index(x)] = Cell(scale.factor * value, row.valid)
    return HeatMap(
        title=title,
        value=scale.axis,
        x=pair.x,
        y=pair.y,
        columns=tuple(map(_tick, columns)),
        rows=tuple(map(_tick, lines)),
        cells=tuple(map(tuple, cells)),
    )


def _tick(value: float) -> str:
    return f"{value:,.0f}" if float(value).is_integer() else format_number(value)


ANALYSIS = Analysis(
    name="heat-maps",
    title="Heat maps",
    place=40,
    summary="latency, throughput and utilisation over batch and threads, rate, or layers",
    reading="Each cell is one profile, its value written in it; darker is more. A crossed cell is INVALID, an "
    "empty one was not measured.",
    function=_analyse,
    takes_metric=True,
)

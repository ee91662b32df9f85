"""Panels with two axes: series of points, heat maps."""

from __future__ import annotations

import math
from typing import Any

from msearch_analysis.amounts import format_number
from msearch_analysis.charts import Axis, HeatMap, Plot, Point, Series
from msearch_analysis.drawing.theme import GRID, INK, INVALID, MUTED, colour_of, dash_of, marker_of, printable

PLOT_IN = 2.9
LEGEND_IN = 0.185
CELL_IN = 0.42
MOST_NUMBERED = 9
INVALID_LABEL = "INVALID"
_LINE = {"straight": "default", "steps": "steps-post", "none": "default"}


def plot_height(chart: Plot) -> float:
    """Height in inches."""
    return PLOT_IN + LEGEND_IN * len(_legend_texts(chart))


def draw_plot(axes: Any, chart: Plot) -> None:
    """Series with their intervals and bands; INVALID points are grey crosses that no line touches."""
    numbers = _numbers(chart)
    for series in chart.series:
        _draw_series(axes, series)
        for point in series.points:
            if point.label and (series.label, point) in numbers:
                axes.annotate(str(numbers[series.label, point]), (point.x, point.y), xytext=(5, 4),
                              textcoords="offset points", fontsize=8)  # fmt: skip
    for guide in chart.guides:
        line = axes.axvline if guide.axis == "x" else axes.axhline
        line(guide.value, color=MUTED, linewidth=1.0, linestyle=(0, (1.5, 2)), label=printable(guide.label))
    _scale(axes.xaxis, chart.x)
    _scale(axes.yaxis, chart.y)
    axes.set_xlabel(printable(chart.x.text))
    axes.set_ylabel(printable(chart.y.text))
    if not chart.y.log and chart.from_zero:
        axes.set_ylim(bottom=0)
    for text in _extra_texts(chart):
        axes.plot([], [], linestyle="none", label=printable(text))
    if _legend_texts(chart):
        # Long enough that a dashed line is seen to be one beside its marker.
        axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), borderaxespad=0.2, handlelength=3.6, labelspacing=0.25)


def _draw_series(axes: Any, series: Series) -> None:
    colour = MUTED if series.muted else colour_of(series.colour)
    label: str | None = printable(series.label)
    counted = [point for point in series.points if point.valid]
    lost = [point for point in series.points if not point.valid]
    if counted:
        xs, ys = [point.x for point in counted], [point.y for point in counted]
        axes.plot(
            xs, ys, color=colour, label=label,
            linestyle=dash_of(series.colour) if series.line != "none" else "none",
            drawstyle=_LINE[series.line],
            marker=marker_of(series.colour) if series.markers else "none",
            markerfacecolor="none" if series.hollow else colour,
            linewidth=1.2 if series.muted else 1.6,
        )  # fmt: skip
        label = None
        if series.band:
            lows, highs = ([_or(end, point.y) for point, end in _ends(counted, side)] for side in ("low", "high"))
            axes.fill_between(xs, lows, highs, step="post", color=colour, alpha=0.15, linewidth=0)
        else:
            _draw_intervals(axes, counted, colour)
    if lost:
        _draw_intervals(axes, lost, INVALID)
        axes.plot([point.x for point in lost], [point.y for point in lost], color=INVALID, marker="x", markersize=6,
                  linestyle="none", markeredgewidth=1.6, label=label)  # fmt: skip


def _ends(points: list[Point], side: str) -> list[tuple[Point, float | None]]:
    return [(point, point.y_low if side == "low" else point.y_high) for point in points]


def _or(end: float | None, value: float) -> float:
    return value if end is None else end


def _draw_intervals(axes: Any, points: list[Point], colour: str) -> None:
    for point in points:
        if point.y_low is not None and point.y_high is not None:
            axes.plot([point.x] * 2, [point.y_low, point.y_high], color=colour, linewidth=1.0)
        if point.x_low is not None and point.x_high is not None:
            axes.plot([point.x_low, point.x_high], [point.y] * 2, color=colour, linewidth=1.0)


def _numbers(chart: Plot) -> dict[tuple[str, Point], int]:
    """Labelled points get a number in the picture and their label in the legend, unless there are too many."""
    labelled = [(series.label, point) for series in chart.series for point in series.points if point.label]
    return {pair: number for number, pair in enumerate(labelled, 1)} if len(labelled) <= MOST_NUMBERED else {}


def _extra_texts(chart: Plot) -> list[str]:
    texts = [f"{number}: {point.label}" for (_, point), number in _numbers(chart).items()]
    named = any(series.label == INVALID_LABEL for series in chart.series)
    if not named and any(not point.valid for series in chart.series for point in series.points):
        texts.append(f"✕ {INVALID_LABEL}")
    return texts


def _legend_texts(chart: Plot) -> list[str]:
    own = [series.label for series in chart.series if series.points]
    return [*own, *(guide.label for guide in chart.guides), *_extra_texts(chart)]


def _scale(axis: Any, wanted: Axis) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter  # noqa: PLC0415 - optional

    if wanted.log:
        (axis.axes.set_xscale if axis.axis_name == "x" else axis.axes.set_yscale)("log")
        axis.set_major_locator(LogLocator(subs=(1.0, 3.0), numticks=9))
        axis.set_minor_formatter(NullFormatter())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.6g}"))


def heat_map_height(chart: HeatMap) -> float:
    """Height in inches."""
    return 0.95 + CELL_IN * len(chart.rows)


def draw_heat_map(axes: Any, chart: HeatMap) -> None:
    """Cells with their values written in; darker is more, on a logarithmic scale where values differ widely."""
    from matplotlib import colormaps  # noqa: PLC0415 - optional
    from matplotlib.patches import Rectangle  # noqa: PLC0415

    values = [cell.value for line in chart.cells for cell in line if cell is not None and cell.valid]
    for y, line in enumerate(chart.cells):
        for x, cell in enumerate(line):
            if cell is None:
                continue
            corner = (x - 0.48, y - 0.46)
            if not cell.valid:
                axes.add_patch(
                    Rectangle(corner, 0.96, 0.92, facecolor="none", edgecolor=INVALID, linestyle=(0, (3, 2)))
                )
                axes.plot([x - 0.44, x + 0.44], [y - 0.42, y + 0.42], color=GRID, linewidth=1.0)
                axes.text(x, y, format_number(cell.value), ha="center", va="center", fontsize=8.5, color=MUTED)
                continue
            shade = colormaps["cividis_r"](0.08 + 0.84 * _share(cell.value, values))
            light = 0.2126 * shade[0] + 0.7152 * shade[1] + 0.0722 * shade[2]
            axes.add_patch(Rectangle(corner, 0.96, 0.92, facecolor=shade, linewidth=0))
            axes.text(x, y, format_number(cell.value), ha="center", va="center", fontsize=8.5,
                      color="#000000" if light > 0.42 else "#ffffff")  # fmt: skip
    axes.set_xlim(-0.5, len(chart.columns) - 0.5)
    axes.set_ylim(-0.5, len(chart.rows) - 0.5)
    axes.set_xticks(range(len(chart.columns)), chart.columns)
    axes.set_yticks(range(len(chart.rows)), chart.rows)
    axes.grid(visible=False)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set_xlabel(printable(chart.x.text))
    axes.set_ylabel(printable(chart.y.text))
    axes.text(0.0, 1.02, printable(chart.value.text), transform=axes.transAxes, color=INK, va="bottom")


def _share(value: float, values: list[float]) -> float:
    """Where a value lies between the smallest and the largest, in logarithms where these are far apart."""
    low, high = min(values), max(values)
    if high <= low:
        return 0.5
    if low > 0 and high / low > 8:
        return math.log(value / low) / math.log(high / low)
    return (value - low) / (high - low)

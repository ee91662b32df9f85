"""Panels of horizontal rows: bars, stacked bars, ranges. Labels stand above their row: long ones fit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msearch_analysis.amounts import format_amount, format_number
from msearch_analysis.charts import Axis, Bars, Ranges, Stacks
from msearch_analysis.drawing.theme import GRID, INK, INVALID, MUTED, colour_of, printable

ROW_IN = 0.40
FRAME_IN = 0.62
LEGEND_IN = 0.19
BAR = 0.42
LETTERS = 62
ROOM = 1.24
"""Of the axis beyond the longest bar, for the value written there."""


def bars_height(chart: Bars) -> float:
    """Height in inches."""
    return FRAME_IN + ROW_IN * max(len(chart.bars), 1)


def draw_bars(axes: Any, chart: Bars) -> None:
    """Bars from zero with whiskers; INVALID ones hollow and dashed."""
    _prepare(axes, chart.axis, [_noted(bar.label, bar.note) for bar in chart.bars])
    longest = max((bar.value if bar.high is None else max(bar.value, bar.high) for bar in chart.bars), default=0.0)
    for place, bar in enumerate(chart.bars):
        _draw_bar(axes, place, 0.0, bar.value, colour_of(bar.colour), valid=bar.valid)
        end = bar.value
        if bar.low is not None and bar.high is not None:
            axes.plot([bar.low, bar.high], [place, place], color=INK, linewidth=1.1, marker="|", markersize=5)
            end = max(end, bar.high)
        _write_value(axes, place, end + 0.015 * longest, bar.value, chart.axis)
    axes.set_xlim(0, ROOM * longest or 1.0)


def stacks_height(chart: Stacks) -> float:
    """Height in inches."""
    entries = len(_used(chart)) + bool(chart.mark)
    return FRAME_IN + ROW_IN * max(len(chart.stacks), 1) + LEGEND_IN * -(-entries // 2) + 0.05


def draw_stacks(axes: Any, chart: Stacks) -> None:
    """Parts end to end from zero, the sum beside them."""
    _prepare(axes, chart.axis, [_noted(stack.label, stack.note) for stack in chart.stacks])
    longest = max((max(sum(stack.values), stack.mark or 0.0) for stack in chart.stacks), default=0.0)
    used = _used(chart)
    for place, stack in enumerate(chart.stacks):
        left = 0.0
        for number, value in enumerate(stack.values):
            if value > 0:
                _draw_bar(axes, place, left, value, colour_of(number), valid=stack.valid)
            left += value
        if stack.mark is not None:
            axes.plot([stack.mark] * 2, [place - 0.24, place + 0.24], color=INK, linewidth=1.6)
        _write_value(axes, place, max(left, stack.mark or 0.0) + 0.015 * longest, left, chart.axis)
    handles = [axes.barh([0], [0], color=colour_of(number), label=chart.parts[number]) for number in used]
    if chart.mark:
        handles += axes.plot([], [], color=INK, marker="|", linestyle="none", markersize=9, label=chart.mark)
    axes.legend(handles=handles, loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=2, borderaxespad=0.2,
                handlelength=1.0, columnspacing=1.2)  # fmt: skip
    axes.set_xlim(0, ROOM * longest or 1.0)


def ranges_height(chart: Ranges) -> float:
    """Height in inches."""
    return FRAME_IN + LEGEND_IN + ROW_IN * max(len(chart.ranges), 1)


def draw_ranges(axes: Any, chart: Ranges) -> None:
    """A dot in its inner and outer range, a tick for the tail; what they are stands above."""
    _prepare(axes, chart.axis, [_noted(one.label, one.note) for one in chart.ranges])
    if chart.band is not None:
        axes.axvspan(*chart.band, color=GRID, linewidth=0, zorder=0)
    if chart.reference is not None:
        axes.axvline(chart.reference, color=MUTED, linewidth=1.0)
    for place, one in enumerate(chart.ranges):
        colour = colour_of(one.colour)
        reach = (*one.outer, one.tail) if one.tail is not None else one.outer
        axes.plot([min(reach), max(reach)], [place, place], color=colour, linewidth=0.8, alpha=0.55)
        axes.plot(one.outer, [place, place], color=colour, linewidth=1.8, solid_capstyle="butt")
        if one.inner is not None:
            axes.plot(one.inner, [place, place], color=colour, linewidth=6, solid_capstyle="butt")
        if one.tail is not None:
            axes.plot([one.tail] * 2, [place - 0.22, place + 0.22], color=colour, linewidth=1.8)
        axes.plot([one.value], [place], marker="o", markersize=5.5, color=INK, markerfacecolor="white")
    if chart.axis.log:
        axes.set_xscale("log")
        _plain_ticks(axes)
    elif chart.reference is None:
        axes.set_xlim(left=0)
    axes.text(0.0, 1.015, chart.legend, transform=axes.transAxes, fontsize=8, color=MUTED, va="bottom")


def _prepare(axes: Any, axis: Axis, labels: Sequence[str]) -> None:
    axes.set_ylim(max(len(labels), 1) - 0.5, -0.75)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel(printable(axis.text))
    for place, label in enumerate(labels):
        text = axes.text(0, place - 0.27, _cut(label), transform=axes.get_yaxis_transform(), va="bottom", fontsize=8.5)
        text.set_in_layout(False)


def _draw_bar(axes: Any, place: int, left: float, value: float, colour: str, *, valid: bool) -> None:
    look: dict[str, Any] = {"color": colour, "linewidth": 0}
    if not valid:
        look = {"facecolor": "none", "edgecolor": INVALID, "linewidth": 1.0, "linestyle": (0, (3, 2))}
    axes.barh([place], [value], height=BAR, left=[left], **look)


def _write_value(axes: Any, place: int, where: float, value: float, axis: Axis) -> None:
    # Without a unit it is a number of things.
    text = format_number(value) if axis.unit else format_amount(value, "")
    axes.text(where, place, text, va="center", fontsize=8.5)


def _cut(label: str) -> str:
    """A label that fits the panel; cut in the middle, since models and variants differ at their ends."""
    shown = printable(label)
    if len(shown) <= LETTERS:
        return shown
    return f"{shown[: LETTERS // 2 - 1]}…{shown[-LETTERS // 2 :]}"


def _noted(label: str, note: str) -> str:
    return f"{label} — {note}" if note else label


def _used(chart: Stacks) -> list[int]:
    """Parts that any stack has."""
    return [number for number in range(len(chart.parts)) if any(stack.values[number] > 0 for stack in chart.stacks)]


def _plain_ticks(axes: Any) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter  # noqa: PLC0415 - optional

    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 3.0), numticks=9))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())

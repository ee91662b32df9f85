"""Pictures as data: what is to be drawn, not how. `drawing` draws them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, TypeAlias


@dataclass(frozen=True, slots=True)
class Axis:
    """What an axis shows and in which unit; `log` for a logarithmic scale."""

    title: str
    unit: str = ""
    log: bool = False

    @property
    def text(self) -> str:
        """As it is written beside the axis: "p99 latency, ms"."""
        return f"{self.title}, {self.unit}" if self.unit else self.title


class Bar(NamedTuple):
    """A horizontal bar from zero with its 95 % interval. One that is not `valid` is drawn hollow, with its `note`."""

    label: str
    value: float
    low: float | None = None
    high: float | None = None
    valid: bool = True
    note: str = ""
    colour: int = 0


@dataclass(frozen=True, slots=True)
class Bars:
    """Bars below each other, the first on top."""

    title: str
    axis: Axis
    bars: tuple[Bar, ...]


class Stack(NamedTuple):
    """One bar of parts laid end to end, in the order of the chart's parts; `mark` is a value to compare with."""

    label: str
    values: tuple[float, ...]
    valid: bool = True
    note: str = ""
    mark: float | None = None


@dataclass(frozen=True, slots=True)
class Stacks:
    """Bars made of parts. `mark` says what the marks are, empty where there are none."""

    title: str
    axis: Axis
    parts: tuple[str, ...]
    stacks: tuple[Stack, ...]
    mark: str = ""


class Range(NamedTuple):
    """A value with an inner and an outer range around it, and a `tail` beyond, all on one axis."""

    label: str
    value: float
    outer: tuple[float, float]
    inner: tuple[float, float] | None = None
    tail: float | None = None
    note: str = ""
    colour: int = 0


@dataclass(frozen=True, slots=True)
class Ranges:
    """Ranges below each other; `reference` is a line, `band` a stripe in which differences do not matter."""

    title: str
    axis: Axis
    ranges: tuple[Range, ...]
    legend: str
    reference: float | None = None
    band: tuple[float, float] | None = None


class Cell(NamedTuple):
    """A value of a heat map; one that is not `valid` is crossed out."""

    value: float
    valid: bool = True


@dataclass(frozen=True, slots=True)
class HeatMap:
    """Values over two axes; `cells[row][column]` is None where nothing was measured."""

    title: str
    value: Axis
    x: Axis
    y: Axis
    columns: tuple[str, ...]
    rows: tuple[str, ...]
    cells: tuple[tuple[Cell | None, ...], ...]


class Point(NamedTuple):
    """A place with its 95 % intervals; one that is not `valid` is a cross that no line touches."""

    x: float
    y: float
    y_low: float | None = None
    y_high: float | None = None
    x_low: float | None = None
    x_high: float | None = None
    valid: bool = True
    label: str = ""


@dataclass(frozen=True, slots=True)
class Series:
    """Points of one thing. `line` is "none", "straight" or "steps"; `hollow` points stand back."""

    label: str
    points: tuple[Point, ...]
    colour: int = 0
    line: str = "none"
    markers: bool = True
    band: bool = False
    hollow: bool = False
    muted: bool = False


class Guide(NamedTuple):
    """A line across the picture, at a value of the x or y axis."""

    axis: str
    value: float
    label: str


@dataclass(frozen=True, slots=True)
class Plot:
    """Series over two axes."""

    title: str
    x: Axis
    y: Axis
    series: tuple[Series, ...]
    guides: tuple[Guide, ...] = ()
    from_zero: bool = True
    """Whether a linear y axis begins at zero."""


Chart: TypeAlias = Bars | Stacks | Ranges | HeatMap | Plot

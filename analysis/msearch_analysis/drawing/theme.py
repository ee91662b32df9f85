"""Colours and sizes of pictures.

The series colours are those of M. Okabe and K. Ito (Color Universal Design, 2008), which people of any colour vision
tell apart; line styles and markers differ as well. In a page each colour becomes a variable of its style sheet, so that
one picture serves a light and a dark screen.
"""

from __future__ import annotations

from typing import Any

from msearch_analysis.errors import AnalysisError

INK = "#1b1f24"
MUTED = "#5c6571"
GRID = "#d9dee5"
SURFACE = "#fefefe"
INVALID = "#8b929c"
SERIES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")

VARIABLES = {INK: "ink", MUTED: "muted", GRID: "grid", SURFACE: "surface", INVALID: "invalid"} | {
    colour: f"series-{number}" for number, colour in enumerate(SERIES)
}
"""Colours by the variable of a page's style sheet that stands for them."""

DASHES: tuple[Any, ...] = ("solid", (0, (5, 2)), (0, (1.5, 1.5)), (0, (6, 2, 1.5, 2)))
MARKERS = ("o", "s", "D", "^", "v", "P")

WIDTH_IN = 4.8
"""Of a panel: as wide as a phone, so that its text is read there at full size."""

SETTINGS: dict[str, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9.0,
    "text.color": INK,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "lines.linewidth": 1.6,
    "lines.markersize": 5.0,
    "svg.fonttype": "none",
    "path.simplify": True,
    "text.parse_math": False,
}


def colour_of(number: int) -> str:
    """The colour of a place among the series."""
    return SERIES[number % len(SERIES)]


def dash_of(number: int) -> Any:
    """The line style of a place: those that share a colour differ in it."""
    return DASHES[number // len(SERIES) % len(DASHES)]


def marker_of(number: int) -> str:
    """The marker of a place: those that share a colour differ in it, too."""
    return MARKERS[(number + number // len(SERIES)) % len(MARKERS)]


def load_matplotlib() -> Any:
    """The library that draws, without a display.

    Raises:
        AnalysisError: it is not installed.
    """
    try:
        import matplotlib as mpl  # noqa: PLC0415 - optional, and slow to import
    except ImportError:
        raise AnalysisError("drawing needs matplotlib", hint="run `pip install 'msearch[plots]'`") from None
    return mpl


def printable(text: str) -> str:
    """The text with a space for every character that no picture can show, control characters above all."""
    return "".join(character if character.isprintable() else " " for character in text)

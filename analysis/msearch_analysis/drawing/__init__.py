"""Draws charts, with matplotlib: one for a page, or all of an analysis into a PNG or SVG file."""

from __future__ import annotations

import hashlib
import io
import re
import textwrap
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from msearch_analysis.charts import Bars, Chart, HeatMap, Plot, Ranges, Stacks
from msearch_analysis.drawing.planes import draw_heat_map, draw_plot, heat_map_height, plot_height
from msearch_analysis.drawing.rows_of_bars import (
    bars_height,
    draw_bars,
    draw_ranges,
    draw_stacks,
    ranges_height,
    stacks_height,
)
from msearch_analysis.drawing.theme import SETTINGS, SURFACE, VARIABLES, WIDTH_IN, load_matplotlib, printable
from msearch_analysis.errors import AnalysisError

__all__ = ["draw_file", "draw_inline"]

PIXELS_AN_INCH = 160
TITLE_IN = 0.22
LETTERS_A_LINE = 52

_PANELS: dict[type[Any], tuple[Callable[[Any], float], Callable[[Any, Any], None]]] = {
    Bars: (bars_height, draw_bars),
    Stacks: (stacks_height, draw_stacks),
    Ranges: (ranges_height, draw_ranges),
    Plot: (plot_height, draw_plot),
    HeatMap: (heat_map_height, draw_heat_map),
}


def draw_inline(chart: Chart, name: str) -> str:
    """One chart as an SVG element for a page, without its title; colours are variables of the page's style sheet.

    Its ids are drawn from `name`: pictures of one page need different ones.

    Raises:
        AnalysisError: matplotlib is not installed.
    """
    height, draw = _PANELS[type(chart)]
    with _settings(name):
        figure = _new_figure(WIDTH_IN, height(chart))
        draw(figure.subplots(), chart)
        text = _save(figure, "svg", transparent=True).decode("utf-8")
    return _for_page(text)


def draw_file(heading: str, charts: Sequence[Chart], kind: str) -> bytes:
    """All charts of an analysis as one picture, in two columns. `kind` is "png" or "svg".

    The same charts give the same bytes.

    Raises:
        AnalysisError: there is nothing to draw, or matplotlib is not installed.
    """
    if not charts:
        raise AnalysisError("there is nothing to draw")
    columns = 2 if len(charts) > 1 else 1
    heights = [_PANELS[type(chart)][0](chart) + TITLE_IN * len(_title(chart)) for chart in charts]
    rows = [max(heights[start : start + columns]) for start in range(0, len(heights), columns)]
    with _settings(heading):
        figure = _new_figure(WIDTH_IN * columns + 0.2 * (columns - 1), sum(rows) + 0.4)
        figure.suptitle(printable(heading), x=0.01, ha="left", fontsize=12, fontweight="bold")
        grid = figure.add_gridspec(len(rows), columns, height_ratios=rows)
        for place, chart in enumerate(charts):
            panel = figure.add_subfigure(grid[place // columns, place % columns])
            panel.set_facecolor("none")
            panel.suptitle("\n".join(map(printable, _title(chart))), x=0.01, ha="left", fontsize=9, fontweight="bold")
            _PANELS[type(chart)][1](panel.subplots(), chart)
        return _save(figure, kind, transparent=False)


_FOLD = "\x1f"
"""Marks where a space was put in to fold at: no title has one."""


def _title(chart: Chart) -> list[str]:
    """Its lines. A load is one long word, which may be folded behind a comma."""
    spaced = re.sub(r",(?=\S)", f",{_FOLD} ", chart.title)
    lines = textwrap.wrap(spaced, LETTERS_A_LINE, break_on_hyphens=False)
    return [line.replace(f"{_FOLD} ", "").replace(_FOLD, "") for line in lines] or [""]


def _settings(salt: str) -> Any:
    mpl = load_matplotlib()
    # Without a salt, ids would differ from one time to the next.
    digest = hashlib.sha256(salt.encode("utf-8", "replace")).hexdigest()
    return mpl.rc_context(SETTINGS | {"svg.hashsalt": digest})


def _new_figure(width: float, height: float) -> Any:
    from matplotlib.figure import Figure  # noqa: PLC0415 - optional, and slow to import
    from matplotlib.layout_engine import ConstrainedLayoutEngine  # noqa: PLC0415

    return Figure(figsize=(width, height), layout=ConstrainedLayoutEngine(w_pad=0.06, h_pad=0.05), facecolor=SURFACE)


def _save(figure: Any, kind: str, *, transparent: bool) -> bytes:
    stream = io.BytesIO()
    look: dict[str, Any] = {"format": "png", "dpi": PIXELS_AN_INCH}
    if kind == "svg":
        look = {"format": "svg", "metadata": {"Date": None, "Creator": None, "Format": None, "Type": None}}
    with warnings.catch_warnings():
        # A name in another script: SVG leaves it to the reader's fonts, PNG shows boxes.
        warnings.filterwarnings("ignore", message="Glyph")
        figure.savefig(stream, transparent=transparent, **look)
    return stream.getvalue()


def _for_page(text: str) -> str:
    """The svg element alone, smaller, its colours as variables, hidden from screen readers: the page has its text."""
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    used = set(re.findall(r"url\(#([^)]+)\)", text)) | set(re.findall(r'href="#([^"]+)"', text))
    text = re.sub(r' id="([^"]*)"', lambda found: found[0] if found[1] in used else "", text)
    for colour, variable in VARIABLES.items():
        text = text.replace(colour, f"var(--{variable})")
    text = re.sub(r'<svg [^>]*?viewBox="([^"]+)"[^>]*>', r'<svg viewBox="\1" aria-hidden="true">', text, count=1)
    return re.sub(r"\s*\n\s*", "\n", re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)).strip()

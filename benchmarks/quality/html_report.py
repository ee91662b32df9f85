"""The quality report as one HTML file with its plots inside."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt

_STYLE = (
    "body{font:14px/1.5 system-ui,sans-serif;max-width:70em;margin:2em auto;padding:0 1em}"
    "table{border-collapse:collapse;margin:1em 0}td,th{padding:.2em .7em;border-bottom:1px solid #ddd;text-align:right}"
    "td:first-child,th:first-child{text-align:left}img{max-width:100%}.short{color:#b00}.ok{color:#070}"
)


def table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """An HTML table."""
    head = "".join(f"<th>{html.escape(cell)}</th>" for cell in heading)
    body = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>"


def _image(figure: Any) -> str:
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=110, bbox_inches="tight")
    plt.close(figure)
    return f'<img alt="" src="data:image/png;base64,{base64.b64encode(stream.getvalue()).decode()}">'


def bars_plot(values: Mapping[str, float], label: str) -> str:
    """Horizontal bars, the largest above."""
    ordered = sorted(values.items(), key=lambda item: item[1])
    figure, axes = plt.subplots(figsize=(8, 0.24 * len(ordered) + 1))
    axes.barh([name for name, _ in ordered], [value for _, value in ordered], color="#4477aa")
    axes.set_xlabel(label)
    axes.grid(axis="x", alpha=0.3)
    return _image(figure)


def scatter_plot(points: Mapping[str, Sequence[tuple[float, float]]]) -> str:
    """Predicted against true accuracy, one panel a workload."""
    figure, panels = plt.subplots(1, len(points), figsize=(3.2 * len(points), 3.2), sharey=True, squeeze=False)
    for axes, (name, pairs) in zip(panels[0], points.items(), strict=True):
        axes.plot([0, 1], [0, 1], color="#999", linewidth=0.8)
        axes.scatter([p for p, _ in pairs], [t for _, t in pairs], s=6, color="#cc6677", alpha=0.6)
        axes.set_title(name)
        axes.set_xlabel("predicted")
    panels[0][0].set_ylabel("true")
    return _image(figure)


def write_report(path: Path, sections: Sequence[tuple[str, str]], bars: Sequence[Any]) -> None:
    """Writes the page; sections are titles and HTML."""
    listed = "".join(f'<li class="{"ok" if bar.ok else "short"}">{html.escape(str(bar))}</li>' for bar in bars)
    body = "".join(f"<h2>{html.escape(title)}</h2>{content}" for title, content in sections)
    page = (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Search quality</title>'
        f"<style>{_STYLE}</style><h1>Search quality</h1>{body}<h2>Bars</h2><ul>{listed}</ul></html>"
    )
    path.write_text(page, encoding="utf-8")

"""One HTML page with every analysis: it opens offline, holds its pictures and its style, and runs no script.

Everything that comes from profiles is untrusted text and is escaped; the page's own policy forbids scripts and requests
besides.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from msearch_analysis.analyses import Analysis, Findings, Options, find_analyses
from msearch_analysis.drawing import draw_inline
from msearch_analysis.errors import AnalysisError
from msearch_analysis.page.alternatives import alternative_of
from msearch_analysis.page.hosts import HostFacts, facts_of_hosts, library_versions
from msearch_analysis.rows import Study
from msearch_analysis.tables import Column, Table

__all__ = ["make_page"]

TITLE = "What was measured"
OPEN_ROWS = 12
OPEN_ROWS_ALONE = 40
"""Longer tables are folded away until they are asked for; where there is no picture beside them, much longer ones."""
MOST_ROWS = 1_500


@dataclass(frozen=True, slots=True)
class Picture:
    """A chart drawn: its title, the element, and its content in words."""

    title: str
    svg: Any
    alternative: str


@dataclass(frozen=True, slots=True)
class Grid:
    """A table as the page shows it; `numbers` are the columns, from 1, that are set to the right.

    `faint` says which rows are of INVALID profiles.
    """

    headings: tuple[str, ...]
    rows: tuple[list[str], ...]
    faint: tuple[bool, ...]
    numbers: tuple[int, ...]
    total: int


@dataclass(frozen=True, slots=True)
class Section:
    """An analysis as the page shows it."""

    analysis: Analysis
    pictures: tuple[Picture, ...]
    grid: Grid
    notes: tuple[str, ...]

    @property
    def folded(self) -> bool:
        """Whether its table is long."""
        return self.grid.total > (OPEN_ROWS if self.pictures else OPEN_ROWS_ALONE)


def make_page(study: Study, *, title: str = "") -> str:
    """The page. The same profiles give the same page.

    Raises:
        AnalysisError: jinja2 or matplotlib is not installed.
    """
    environment, markup = _jinja()
    sections = tuple(_sections(study, markup))
    hosts: tuple[HostFacts, ...] = facts_of_hosts(study)
    return str(
        environment.get_template("page.html.j2").render(
            title=title or TITLE,
            style=markup(resources.files(__name__).joinpath("style.css").read_text(encoding="utf-8")),
            sections=sections,
            hosts=hosts,
            libraries=library_versions(study),
            counts=_counts(study),
            period=_period(study),
            version=_version(),
        )
    )


def _jinja() -> tuple[Any, Any]:
    try:
        from jinja2 import Environment, PackageLoader, StrictUndefined  # noqa: PLC0415 - optional
        from markupsafe import Markup  # noqa: PLC0415
    except ImportError:
        raise AnalysisError("the report needs jinja2", hint="run `pip install 'msearch[plots]'`") from None
    environment = Environment(
        loader=PackageLoader("msearch_analysis", "page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment, Markup


def _sections(study: Study, markup: Any) -> Iterator[Section]:
    for analysis in find_analyses().values():
        found: Findings = analysis.function(study, Options())
        pictures = tuple(
            # What draws escapes the texts inside of its element.
            Picture(chart.title, markup(draw_inline(chart, f"{analysis.name}-{number}")), alternative_of(chart))
            for number, chart in enumerate(found.charts)
        )
        yield Section(analysis, pictures, _grid(study, found.table), found.notes)


def _grid(study: Study, table: Table) -> Grid:
    """The first rows, without columns that say nothing: empty throughout, or naming the only host class there is."""
    texts = table.texts()
    silent = {"host_class"} if len(study.host_classes) == 1 else set()
    kept: list[tuple[int, Column]] = [
        (place, column)
        for place, column in enumerate(table.columns)
        if column.name not in silent and any(line[place] for line in texts)
    ]
    return Grid(
        tuple(column.title for _, column in kept),
        tuple([line[place] for place, _ in kept] for line in texts[:MOST_ROWS]),
        tuple(row.get("verdict") == "INVALID" for row in table.rows[:MOST_ROWS]),
        tuple(number for number, (_, column) in enumerate(kept, 1) if column.number),
        len(texts),
    )


def _counts(study: Study) -> dict[str, int]:
    valid = sum(row.valid for row in study.rows)
    return {
        "profiles": len(study.rows),
        "valid": valid,
        "invalid": len(study.rows) - valid,
        "models": len({row.model for row in study.rows}),
        "variants": len({row.variant for row in study.rows}),
        "loads": len({row.load for row in study.rows}),
        "hosts": len({row.host_class for row in study.rows}),
    }


def _period(study: Study) -> tuple[str, str] | None:
    times = sorted(row.measured_at for row in study.rows if row.measured_at is not None)
    return (f"{times[0]:%Y-%m-%d %H:%M}", f"{times[-1]:%Y-%m-%d %H:%M}") if times else None


def _version() -> str:
    try:
        return version("msearch")
    except PackageNotFoundError:
        return ""

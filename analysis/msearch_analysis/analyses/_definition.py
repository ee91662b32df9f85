"""What an analysis is, what it is asked and what it gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from msearch_analysis.charts import Chart
from msearch_analysis.rows import Study
from msearch_analysis.tables import Table


@dataclass(frozen=True, slots=True)
class Options:
    """What is asked beside the profiles: a quantity in place of the analysis' own, empty for that."""

    metric: str = ""


@dataclass(frozen=True, slots=True)
class Findings:
    """What an analysis found: the table whole, pictures of its largest groups, and things to know."""

    table: Table
    charts: tuple[Chart, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """An analysis: one file of this package with a module-level `ANALYSIS`.

    `place` orders the sections of a report; `summary` is one line, `reading` says how to read its pictures;
    `takes_metric` whether another quantity may be asked for.
    """

    name: str
    title: str
    place: int
    summary: str
    reading: str
    function: Callable[[Study, Options], Findings]
    takes_metric: bool = False

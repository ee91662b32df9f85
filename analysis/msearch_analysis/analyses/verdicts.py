"""Which profiles count, and which rules the others broke."""

from __future__ import annotations

from collections import Counter

from msearch_analysis.analyses._columns import REASONS, SUBJECT, what
from msearch_analysis.analyses._definition import Analysis, Findings, Options
from msearch_analysis.charts import Axis, Bar, Bars
from msearch_analysis.rows import Study
from msearch_analysis.tables import Column, Table


def _analyse(study: Study, options: Options) -> Findings:
    valid = sum(row.valid for row in study.rows)
    broken = Counter(reason.rule for row in study.rows for reason in row.reasons)
    bars = (
        Bar("VALID", valid),
        *(Bar(f"INVALID: {rule}", count, valid=False) for rule, count in broken.most_common()),
    )
    lost = [row for row in study.rows if not row.valid]
    cells = tuple(
        what(row) | {"details": "; ".join(f"{reason.rule}: {reason.detail}" for reason in row.reasons)} for row in lost
    )
    table = Table((*SUBJECT, Column("details", heading=REASONS.heading), Column("profile")), cells)
    notes = () if lost else ("every profile is VALID",)
    return Findings(table, (Bars("profiles by verdict", Axis("profiles"), bars),) if study.rows else (), notes)


ANALYSIS = Analysis(
    name="verdicts",
    title="What counts",
    place=120,
    summary="VALID profiles, and the rules that INVALID ones broke",
    reading="An INVALID profile is shown, hollow or crossed, and used for nothing else. One may break several rules.",
    function=_analyse,
)

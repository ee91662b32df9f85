"""The answer first: the best of each load, in the quantities that most people ask for."""

from __future__ import annotations

from msearch_analysis.amounts import format_amount
from msearch_analysis.analyses._definition import Analysis, Findings, Options
from msearch_analysis.analyses._groups import best_first, group
from msearch_analysis.labels import name_of, quantity_of, words_of
from msearch_analysis.rows import Quantity, Row, Study
from msearch_analysis.tables import Column, Table, Value

METRICS = ("p99_ms", "throughput_per_s", "peak_rate_per_s", "peak_memory_bytes", "energy_j", "cost_per_1k")


def _analyse(study: Study, options: Options) -> Findings:
    quantities = [quantity_of(study, name) for name in METRICS]
    eligible = [row for row in study.current if row.offered]
    rows: list[dict[str, Value]] = [
        {"load": load, "host_class": host, **{one.name: _best(members, one) for one in quantities}}
        for (load, host), members in group(eligible, lambda row: (row.load, row.host_class)).items()
    ]
    columns = (
        Column("load"),
        Column("host_class"),
        *(
            Column(one.name, heading=f"{'least' if one.less_is_better else 'most'} {words_of(one.name)}")
            for one in quantities
        ),
    )
    notes = () if rows else ("no VALID profile of an offered variant is there",)
    return Findings(Table(columns, tuple(rows)), notes=notes)


def _best(rows: list[Row], quantity: Quantity) -> str | None:
    """The best profile with its value, or None where the quantity was not measured."""
    # Below saturation a server answers as many as it is asked, whichever variant it is.
    asked = [row for row in rows if quantity.name == "throughput_per_s" and row.scenario == "server"]
    ordered = best_first([row for row in rows if row not in asked], quantity)
    if not ordered:
        return None
    return f"{name_of(ordered[0])}: {format_amount(ordered[0].value(quantity.name), quantity.unit)}"


ANALYSIS = Analysis(
    name="best",
    title="In short",
    place=0,
    summary="the best VALID, offered variant under each load on each kind of host",
    reading="What is close behind, and how sure the differences are, the sections below tell.",
    function=_analyse,
)

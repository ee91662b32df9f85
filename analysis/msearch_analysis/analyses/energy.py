"""What 1,000 inferences take: energy, CO2, money."""

from __future__ import annotations

from collections import Counter

from msearch_analysis.analyses._columns import REASONS, WHAT, interval, measured, values, what, with_interval
from msearch_analysis.analyses._definition import Analysis, Findings, Options
from msearch_analysis.analyses._groups import MOST_BARS, best_first, group, largest, not_drawn
from msearch_analysis.analyses.leaderboard import bars_of
from msearch_analysis.charts import Chart
from msearch_analysis.labels import quantity_of, titled, words_of
from msearch_analysis.rows import Quantity, Study
from msearch_analysis.tables import Column, Table

METRICS = ("energy_j", "co2_g_per_1k", "cost_per_1k")
BESIDE = ("energy_net_j", "power_w", "throughput_per_s")


def _analyse(study: Study, options: Options) -> Findings:
    quantities = [quantity_of(study, name) for name in METRICS]
    beside = [quantity_of(study, name) for name in BESIDE]
    charts: list[Chart] = []
    notes: list[str] = []
    for quantity in quantities:
        held = [row for row in study.shown if row.value(quantity.name) is not None]
        groups = group(held, lambda row: (row.load, row.host_class))
        drawn = largest(groups, most=3)
        for (load, host), members in drawn.items():
            ordered = sorted(best_first(members, quantity), key=lambda row: not row.valid)[:MOST_BARS]
            charts.append(bars_of(study, titled(study, load, host=host), ordered, quantity))
        notes += [f"{words_of(quantity.name)}: {note}" for note in not_drawn(groups, drawn)]
        notes += _unmeasured(study, quantity)
    cells = tuple(
        what(row)
        | interval(row, *quantities)
        | {"energy_source": row.quantities["energy_j"].source if "energy_j" in row.quantities else "none"}
        | values(row, beside)
        for row in study.shown
    )

    return Findings(
        Table((*WHAT, *with_interval(*quantities), Column("energy_source"), *measured(beside), REASONS), cells),
        tuple(charts),
        tuple(dict.fromkeys(notes)),
    )


def _unmeasured(study: Study, quantity: Quantity) -> tuple[str, ...]:
    """Where a quantity is missing, and why, in the words of the meter."""
    lacking = [row for row in study.shown if quantity.name not in row.quantities]
    if not lacking:
        return ()
    reasons = Counter(row.missing.get(quantity.name, "") for row in lacking)
    said = next((reason for reason, _ in reasons.most_common() if reason), "no meter gave it")
    return (f"{words_of(quantity.name)} is not known for {len(lacking)} of {len(study.shown)} profiles: {said}",)


ANALYSIS = Analysis(
    name="energy",
    title="Energy, CO2 and cost",
    place=90,
    summary="joules of an inference; grams of CO2 and cost of 1,000 inferences",
    reading="Energy is read from a counter, never guessed from a data sheet; the table names the source. CO2 = "
    "energy × carbon intensity × PUE, cost = price of the host / throughput, both by the agent's price table.",
    function=_analyse,
)

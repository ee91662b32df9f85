"""The same model, variant and load on several kinds of host."""

from __future__ import annotations

import math
from collections import Counter

from msearch_analysis.analyses._columns import SUBJECT
from msearch_analysis.analyses._definition import Analysis, Findings, Options
from msearch_analysis.analyses._groups import MOST_BARS, group
from msearch_analysis.charts import Axis, Range, Ranges
from msearch_analysis.labels import name_of, quantity_of, words_of
from msearch_analysis.rows import Quantity, Row, Study
from msearch_analysis.significance import MIN_EFFECT, Difference, difference_of
from msearch_analysis.tables import Column, Table, Value

METRICS = {"offline": "throughput_per_s", "find_peak": "peak_rate_per_s"}
METRIC = "p50_ms"


def _analyse(study: Study, options: Options) -> Findings:
    rows = study.current
    counts = Counter(row.host_class for row in rows)
    order = sorted(counts, key=lambda host: (-counts[host], host))
    pairs: list[tuple[Row, Row, Quantity, Difference]] = []
    for members in group(rows, lambda row: (row.model, row.variant, row.load)).values():
        first, *others = sorted(members, key=lambda row: order.index(row.host_class))
        quantity = quantity_of(study, options.metric or METRICS.get(first.scenario, METRIC))
        for other in others:
            x, y = logarithms(first, quantity.name), logarithms(other, quantity.name)
            if x and y:
                noise = [_earlier(study, row, quantity.name) for row in (first, other)]
                pairs.append((first, other, quantity, difference_of(x, y, earlier=noise)))
    groups: dict[tuple[str, str, str], list[tuple[Row, Row, Quantity, Difference]]] = {}
    for pair in pairs:
        groups.setdefault((pair[0].host_class, pair[1].host_class, pair[2].name), []).append(pair)
    charts = tuple(_chart(key, members) for key, members in list(groups.items())[:6])
    cells = tuple(_cells(*pair) for pair in pairs)
    notes = []
    if not pairs:
        notes.append("nothing was measured on two kinds of host: ask for the same model, variant and load on another")
    if len(charts) < len(groups):
        notes.append(f"{len(charts)} of {len(groups)} pairs of hosts have a picture; the table holds all")
    return Findings(Table(_COLUMNS, cells), charts, tuple(notes))


def logarithms(row: Row, metric: str) -> list[float]:
    """Logarithms of a quantity, one a valid run, in order of time; of the whole profile where runs are not known."""
    runs = sorted((run for run in row.runs if run.valid), key=lambda run: run.started_at)
    values = [run.values[metric] for run in runs if metric in run.values]
    if not values and (whole := row.value(metric)) is not None:
        values = [whole]
    return [math.log(value) for value in values] if values and min(values) > 0 else []


def _earlier(study: Study, row: Row, metric: str) -> list[float]:
    """Logarithms of what was measured of the same thing on the same kind of host at other times, in order of time."""
    values = [one.value(metric) for one in study.repeats_of(row) if one is not row]
    return [math.log(value) for value in values if value is not None and value > 0]


def _chart(key: tuple[str, str, str], pairs: list[tuple[Row, Row, Quantity, Difference]]) -> Ranges:
    first, second, metric = key
    ranges = []
    for row, _, quantity, found in pairs[:MOST_BARS]:
        low, high = (found.effect if end is None else end for end in (found.low, found.high))
        answer = found.answer(less_is_better=quantity.less_is_better)
        label = f"{name_of(row)}, {row.load}"
        ranges.append(Range(label, 100 * found.effect, (100 * low, 100 * high), note=answer.value))
    return Ranges(
        f"{second} compared with {first}",
        Axis(f"change of {words_of(metric)}", "%"),
        tuple(ranges),
        "dot: change · line: its 95 % interval · stripe: changes that do not matter",
        reference=0.0,
        band=(-100 * MIN_EFFECT, 100 * MIN_EFFECT),
    )


def _cells(first: Row, other: Row, quantity: Quantity, found: Difference) -> dict[str, Value]:
    return {
        "model": first.model or "none",
        "variant": first.variant,
        "load": first.load,
        "quantity": quantity.name,
        "baseline": first.host_class,
        "host_class": other.host_class,
        "change": found.effect,
        "change_low": found.low,
        "change_high": found.high,
        "threshold": math.expm1(found.bound),
        "answer": found.answer(less_is_better=quantity.less_is_better).value,
    }


_COLUMNS = (
    *(column for column in SUBJECT if column.name != "host_class"),
    Column("quantity"),
    Column("baseline"),
    Column("host_class"),
    Column("change", number=True),
    Column("change_low", heading="95 % from", number=True),
    Column("change_high", heading="to", number=True),
    Column("threshold", number=True),
    Column("answer"),
)

ANALYSIS = Analysis(
    name="hosts",
    title="Hosts compared",
    place=110,
    summary="the same model, variant and load on several kinds of host, with significance",
    reading="The rule of `msearch-cli compare`: Welch's interval of the ratio of run medians, against the larger of "
    "2 % and the noise of the hosts, which runs of one profile and earlier profiles of the same thing tell. The "
    "baseline is the host class with the most profiles.",
    function=_analyse,
    takes_metric=True,
)

"""`prices`: look at a table of prices, grids and data centres, and check it."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer

from msearch_client import LocalError
from msearch_client.cli import options
from msearch_client.cli.output import count, print_json, print_line, print_table
from msearch_deployment.prices import SECTIONS, SHIPPED, Prices, Unpriced, check, read_prices

app = typer.Typer(help="Tables of what hosts cost and what their electricity emits (docs/costs.md).")

FORMULAS = (
    "cost_per_1k = price an hour / (3600 x throughput) x 1000",
    "co2_g_per_1k = 1000 x J / 3.6e6 x carbon intensity (g/kWh) x PUE",
)
_VALUES = {"instances": ("usd_per_hour", "USD/h"), "regions": ("g_per_kwh", "g/kWh"), "data_centres": ("pue", "PUE")}


@app.command()
def show(
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="The table; default: the examples that msearch ships.")
    ] = None,
    *,
    json: options.Json = False,
) -> None:
    """Print a table with the date and source of every figure, and the formulas that use it."""
    prices = _read(file)
    hosts = [_host(prices, place) for place in ("here", *prices.section("host_classes"))]
    figures = [row for section in _VALUES for row in _figures(prices, section)]
    if json:
        print_json(
            {"path": str(prices.path), "date": prices.date, "identity": prices.identity, "formulas": FORMULAS,
             "hosts": hosts, "figures": figures, "sources": _plain(prices.section("sources"))}
        )  # fmt: skip
        return
    print_line(f"{prices.path}, of {prices.date}, {prices.identity}")
    for formula in FORMULAS:
        print_line(f"  {formula}")
    print_line()
    print_table([_host_cells(row) for row in hosts], numbers=("USD/h", "g/kWh", "PUE"))
    if figures:
        print_line()
        print_table([row | {"value": _number(row["value"])} for row in figures], numbers=("value",), wide=("source",))
    sources = prices.section("sources")
    if sources:
        print_line()
        print_table([{"source": name, **_source(entry)} for name, entry in sources.items()])
    if file is None:
        print_line()
        print_line(f"these are examples: copy {SHIPPED}, say what your hosts are, and check the copy")


@app.command("check")
def check_table(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The table.")],
    *,
    json: options.Json = False,
) -> None:
    """Look for what is wrong in a table, and for figures without source or date.

    Exits with 1 if something is wrong; a figure that cannot be traced is only told.
    """
    prices = _read(file)
    problems = check(prices)
    wrong = [problem for problem in problems if problem.wrong]
    if json:
        print_json(
            {"path": str(file), "identity": prices.identity, "sound": not wrong,
             "problems": [{"place": one.place, "text": one.text, "wrong": one.wrong} for one in problems]}
        )  # fmt: skip
    else:
        for problem in problems:
            print_line(f"{'wrong' if problem.wrong else 'note'}: {problem}")
        if not wrong:
            print_line(f"{file} can be used: {prices.identity}")
    if wrong:
        raise LocalError(f"{count(len(wrong), 'place')} of {file} cannot be used", hint="see docs/costs.md")


def _read(file: Path | None) -> Prices:
    try:
        prices = read_prices(file)
        for name in SECTIONS:
            prices.section(name)
    except Unpriced as error:
        raise LocalError(str(error)) from None
    return prices


def _host(prices: Prices, place: str) -> dict[str, Any]:
    """What an hour and a kWh of a host cost by the table; None where it does not say."""
    here = place == "here"
    host_class = "" if here else place
    row: dict[str, Any] = {"host": place, "usd_per_hour": None, "priced_by": None}
    row |= {"g_per_kwh": None, "region": None, "pue": None}
    with suppress(Unpriced):
        price = prices.price(host_class, here=here)
        row |= {"usd_per_hour": price.usd_per_hour, "priced_by": price.reason}
    with suppress(Unpriced):
        grid = prices.grid(host_class, here=here)
        row |= {"g_per_kwh": grid.g_per_kwh, "region": grid.region, "pue": grid.pue}
    return row


def _host_cells(row: dict[str, Any]) -> dict[str, str]:
    return {
        "host": "[here], the agent's own" if row["host"] == "here" else f"{row['host']}...",
        "USD/h": _number(row["usd_per_hour"]),
        "by": row["priced_by"] or "not said",
        "g/kWh": _number(row["g_per_kwh"]),
        "region": row["region"] or "not said",
        "PUE": _number(row["pue"]),
    }


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:g}"


def _figures(prices: Prices, section: str) -> list[dict[str, Any]]:
    """The figures of a section; None where one is no number."""
    key, unit = _VALUES[section]
    return [
        {"section": section, "name": name, "value": _value(entry, key), "unit": unit, "source": _cell(entry, "source")}
        for name, entry in prices.section(section).items()
    ]


def _value(entry: object, key: str) -> float | None:
    value = entry.get(key) if isinstance(entry, dict) else None
    return float(value) if isinstance(value, int | float) else None


def _cell(entry: object, key: str) -> str:
    return str(entry.get(key, "-")) if isinstance(entry, dict) else "-"


def _source(entry: object) -> dict[str, str]:
    return {"read": _cell(entry, "date"), "title": _cell(entry, "title")}


def _plain(section: Any) -> dict[str, Any]:
    """JSON values: TOML knows dates."""
    return {name: {key: str(value) for key, value in dict(entry).items()} for name, entry in section.items()}

"""Looks a price table over: what is wrong, and what nobody could trace."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches
from typing import Any

from msearch_deployment.prices.tables import HOST_KEYS, Prices, Unpriced

SECTIONS = {
    "sources": ("title", "date", "url"),
    "here": (*HOST_KEYS, "source", "date"),
    "host_classes": (*HOST_KEYS, "source", "date"),
    "instances": ("usd_per_hour", "source", "date"),
    "regions": ("g_per_kwh", "source", "date"),
    "data_centres": ("pue", "source", "date"),
}
"""The sections of a table with the keys that their entries may have."""

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True, slots=True)
class Problem:
    """Something about a place of the table. `wrong`: the table cannot be used there; else it is only untraceable."""

    place: str
    text: str
    wrong: bool

    def __str__(self) -> str:
        return f"{self.place}: {self.text}"


def check(prices: Prices) -> tuple[Problem, ...]:
    """All problems, in the order of the table; none if it is sound, dated and sourced."""
    return tuple(_problems(prices))


def _problems(prices: Prices) -> Iterator[Problem]:
    table = prices.table
    if "date" not in table:
        yield Problem("date", "when was the table last looked over?", wrong=False)
    elif not _is_date(table["date"]):
        yield Problem("date", f"{table['date']!r} is no date of the form 2026-11-25", wrong=True)
    for name in table:
        if name != "date" and name not in SECTIONS:
            yield Problem(name, f"is no section{_near(name, (*SECTIONS, 'date'))}", wrong=True)
    for name in SECTIONS:
        try:
            section = prices.section(name)
        except Unpriced:
            yield Problem(name, "must be a table", wrong=True)
            continue
        if name == "here":
            yield from _entry(prices, "here", section, name)
            continue
        for key, entry in section.items():
            yield from _entry(prices, f"{name}.{key}", entry, name)


def _entry(prices: Prices, place: str, entry: object, section: str) -> Iterator[Problem]:
    if not isinstance(entry, Mapping):
        yield Problem(place, f"must be a table, as in {{ {SECTIONS[section][0]} = ... }}", wrong=True)
        return
    for key in entry:
        if key not in SECTIONS[section]:
            yield Problem(f"{place}.{key}", f"is no key here{_near(key, SECTIONS[section])}", wrong=True)
    if "date" in entry and not _is_date(entry["date"]):
        yield Problem(f"{place}.date", f"{entry['date']!r} is no date of the form 2026-11-25", wrong=True)
    if section == "sources":
        yield from (Problem(place, f"has no {key}", wrong=False) for key in ("title", "date") if key not in entry)
        return
    yield from _numbers(prices, place, entry, section)
    yield from _references(prices, place, entry)
    if entry:
        yield from _traced(prices, place, entry)


def _numbers(prices: Prices, place: str, entry: Mapping[str, Any], section: str) -> Iterator[Problem]:
    required = {"instances": "usd_per_hour", "regions": "g_per_kwh", "data_centres": "pue"}.get(section)
    for key in ("usd_per_hour", "g_per_kwh", "pue"):
        if key not in entry and key != required:
            continue
        try:
            prices.pue(entry, place) if key == "pue" else prices.number(entry, place, key)
        except Unpriced as error:
            yield Problem(f"{place}.{key}", str(error).replace(f"{place}.{key} in {prices.path} ", ""), wrong=True)


def _references(prices: Prices, place: str, entry: Mapping[str, Any]) -> Iterator[Problem]:
    for key, section in (("instance", "instances"), ("region", "regions"), ("data_centre", "data_centres")):
        known = prices.table.get(section, {})
        if key in entry and (not isinstance(known, Mapping) or str(entry[key]) not in known):
            near = _near(str(entry[key]), tuple(known) if isinstance(known, Mapping) else ())
            yield Problem(f"{place}.{key}", f"{entry[key]!r} is not in [{section}]{near}", wrong=True)


def _traced(prices: Prices, place: str, entry: Mapping[str, Any]) -> Iterator[Problem]:
    """A figure is traceable by a source, which is dated. References are traced where they lead."""
    if not any(key in entry for key in ("usd_per_hour", "g_per_kwh", "pue")):
        return
    sources = prices.table.get("sources", {})
    if "source" not in entry:
        yield Problem(place, "has no source: name one of [sources]", wrong=False)
    elif not isinstance(sources, Mapping) or str(entry["source"]) not in sources:
        near = _near(str(entry["source"]), tuple(sources) if isinstance(sources, Mapping) else ())
        yield Problem(f"{place}.source", f"{entry['source']!r} is not in [sources]{near}", wrong=True)


def _is_date(value: object) -> bool:
    if isinstance(value, date):
        return True
    if not isinstance(value, str) or not _DATE.fullmatch(value):
        return False
    try:
        date.fromisoformat(value)
    except ValueError:
        return False
    return True


def _near(name: str, known: tuple[str, ...]) -> str:
    near = get_close_matches(name, known, n=1)
    return f"; did you mean {near[0]}?" if near else ""

"""Lengths of time as options: "30m", "12h", "2d"."""

from __future__ import annotations

import re
from datetime import timedelta

import typer

_UNITS = {
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}


def parse_time(text: str, option: str) -> timedelta:
    """A time from "30m", "12h", "30d" or "8w".

    Raises:
        typer.BadParameter: the text is none; it names the option.
    """
    found = re.fullmatch(r"(\d{1,6})([smhdw])", text.strip())
    if not found or not int(found[1]):
        raise typer.BadParameter(
            f"{option} must be a whole number above 0 with s, m, h, d or w, such as 30m, not {text!r}"
        )
    return int(found[1]) * _UNITS[found[2]]


def describe_time(time: timedelta) -> str:
    """As people say it: "24 hours", "30 minutes"."""
    seconds = time.total_seconds()
    for size, noun in ((86_400.0, "day"), (3_600.0, "hour"), (60.0, "minute")):
        if seconds >= 2 * size or (seconds >= size and seconds % size == 0):
            number = seconds / size
            return f"{number:,.3g} {noun}" + ("" if number == 1 else "s")
    return f"{seconds:,.0f} seconds" if seconds >= 10 else f"{seconds:.1f} seconds"

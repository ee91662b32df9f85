"""What commands print: JSON or tables on stdout, progress and notes on stderr."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table
from rich.text import Text

from msearch_client.cli.tables import GAP, lay_out

UNBOUNDED_WIDTH = 10_000


def print_json(value: Any) -> None:
    """One JSON document on stdout."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


def print_line(text: str = "") -> None:
    """One line on stdout, without control characters that the text may have brought."""
    typer.echo(printable(text))


def print_note(text: str) -> None:
    """One line on stderr."""
    typer.echo(printable(text), err=True)


def printable(text: str) -> str:
    """The text with a space for every control character: names and descriptions come from strangers."""
    return "".join(character if character.isprintable() else " " for character in text)


def print_table(
    rows: Sequence[Mapping[str, str]],
    *,
    numbers: Sequence[str] = (),
    wide: Sequence[str] = (),
    keys: Sequence[str] = (),
) -> None:
    """A table with the keys of the first row as header; see `tables.lay_out` for the arguments.

    On a terminal it fits the width; in a pipe nothing is cut.
    """
    screen = console()
    clean = [{name: printable(value) for name, value in row.items()} for row in rows]
    for columns in lay_out(clean, screen.width, numbers=numbers, wide=wide, keys=keys):
        table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, GAP, 0, 0))
        for column in columns:
            table.add_column(
                column.name,
                justify="right" if column.number else "left",
                overflow="ellipsis" if column.wide else "fold",
                no_wrap=column.wide,
                min_width=column.width,
                max_width=column.width,
            )
        for row in clean:
            table.add_row(*(Text(row[column.name]) for column in columns))
        _print_rendered(screen, table)


def print_fields(fields: Mapping[str, str]) -> None:
    """Names and values below each other; long values wrap within their column."""
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    for name, value in fields.items():
        if value:
            table.add_row(name, Text("\n".join(printable(line) for line in value.splitlines())))
    _print_rendered(console(), table)


def _print_rendered(screen: Console, table: Table) -> None:
    """Prints a table without the spaces that fill its last column."""
    with screen.capture() as captured:
        screen.print(table)
    for line in captured.get().splitlines():
        typer.echo(line.rstrip())


def console() -> Console:
    """A console on stdout as wide as the terminal; unbounded where nobody looks."""
    seen = sys.stdout.isatty() or "COLUMNS" in os.environ
    return Console(width=None if seen else UNBOUNDED_WIDTH, highlight=False, markup=False, soft_wrap=False)


@contextmanager
def progress(label: str, *, unit: str) -> Iterator[Callable[[int, int | None], object] | None]:
    """A progress bar on stderr in "bytes" or other units; None where stderr is no terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    amount = DownloadColumn() if unit == "bytes" else MofNCompleteColumn()
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), amount, TextColumn(unit))
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task(label, total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)


@contextmanager
def fraction_bar(label: str) -> Iterator[Callable[[float, str], object] | None]:
    """A bar on stderr for work that knows its share and says what it is doing; None where stderr is no terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"),
               TimeElapsedColumn(), TextColumn("{task.fields[said]}"))  # fmt: skip
    with Progress(*columns, console=Console(stderr=True, markup=False), transient=True) as bars:
        task = bars.add_task(printable(label), total=1.0, said="")
        yield lambda share, said: bars.update(task, completed=share, said=printable(said))


def count(number: int, noun: str) -> str:
    """A number with its noun: "1 model", "2,000 models"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def count_of(shown: int, total: int, noun: str) -> str:
    """How many are shown of how many there are."""
    return count(total, noun) if shown == total else f"{shown:,} of {count(total, noun)}"


def format_time(time: datetime | None) -> str:
    """A time for people, in this machine's zone."""
    return "" if time is None else time.astimezone().strftime("%Y-%m-%d %H:%M")

"""The table of an analysis: for people, and for CSV and Parquet files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pa_parquet

from msearch_analysis.amounts import format_amount
from msearch_analysis.errors import AnalysisError

Value: TypeAlias = str | float | int | bool | datetime | None

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the beginning of a formula, also behind a tab or a carriage return, which it drops."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its name in files, its heading for people, its unit, and whether it holds numbers."""

    name: str
    heading: str = ""
    unit: str = ""
    number: bool = False

    @property
    def title(self) -> str:
        """What people read above it."""
        return self.heading or self.name.replace("_", " ")

    def text(self, value: Value) -> str:
        """A value for people."""
        if value is None:
            return ""
        if isinstance(value, bool):
            return "yes" if value else "no"
        if isinstance(value, (int, float)):
            return format_amount(float(value), self.unit)
        if isinstance(value, datetime):
            return value.strftime("%Y-%m-%d %H:%M")
        return value


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of values by column name."""

    columns: tuple[Column, ...]
    rows: tuple[Mapping[str, Value], ...]

    def texts(self) -> list[list[str]]:
        """The rows for people, in the order of the columns."""
        return [[column.text(row.get(column.name)) for column in self.columns] for row in self.rows]

    def to_arrow(self) -> Any:
        """A pyarrow table; numbers are in the unit that the column's name or metadata says."""
        fields = [
            pa.field(column.name, self._type(column), metadata={"unit": column.unit} if column.unit else None)
            for column in self.columns
        ]
        arrays = [
            pa.array([row.get(column.name) for row in self.rows], field.type)
            for column, field in zip(self.columns, fields, strict=True)
        ]
        return pa.Table.from_arrays(arrays, schema=pa.schema(fields))

    def _type(self, column: Column) -> Any:
        if column.number:
            return pa.float64()
        values = [value for row in self.rows if (value := row.get(column.name)) is not None]
        if values and all(isinstance(value, bool) for value in values):
            return pa.bool_()
        if values and all(isinstance(value, datetime) for value in values):
            return pa.timestamp("us", tz="UTC")
        return pa.string()

    def write_csv(self, path: Path) -> None:
        """Writes a CSV file with a header.

        A text that a spreadsheet would run as a formula gets an apostrophe before it, which spreadsheets take for the
        mark of a text. Numbers stay numbers.

        Raises:
            AnalysisError: the file cannot be written.
        """
        self._write(path, lambda table, sink: pa_csv.write_csv(_without_formulas(table), sink))

    def write_parquet(self, path: Path) -> None:
        """Writes a Parquet file.

        Raises:
            AnalysisError: the file cannot be written.
        """
        self._write(path, pa_parquet.write_table)

    def _write(self, path: Path, write: Any) -> None:
        sink = pa.BufferOutputStream()
        write(self.to_arrow(), sink)
        write_file(path, sink.getvalue().to_pybytes())


def _without_formulas(table: Any) -> Any:
    """The table with its texts guarded: names are their owners' to choose, and not the reader's to run."""
    columns = [
        pa.array([_guarded(text) for text in column.to_pylist()], pa.string()) if column.type == pa.string() else column
        for column in table.columns
    ]
    return pa.Table.from_arrays(columns, schema=table.schema)


def _guarded(text: str | None) -> str | None:
    return f"'{text}" if text is not None and text.startswith(_FORMULA_STARTS) else text


def write_file(path: Path, data: bytes) -> None:
    """Writes a file whole, or leaves what was there.

    Raises:
        AnalysisError: it cannot be written.
    """
    try:
        if path.exists() and not path.is_file():
            # A pipe or a terminal has no neighbour to write beside.
            path.write_bytes(data)
            return
        unfinished = path.with_name(f".{path.name}.unfinished")
        try:
            unfinished.write_bytes(data)
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)
    except OSError as error:
        raise AnalysisError(f"cannot write {path}: {error.strerror or error}") from None

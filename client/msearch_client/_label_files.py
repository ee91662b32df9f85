"""Files with the labels of some rows: what people fill in, and what an interrupted session goes on from.

A file is a table, as CSV, JSON (a list of objects) or Parquet, with the columns `row` (counted from 0) and `label`.
Sessions add `status`: "asked" for rows that were chosen, "skipped", or "no-class" where no candidate knows the class;
and `preview`, for people. Other columns are kept as they are.
"""

from __future__ import annotations

import csv
import io
import json
import os
import tempfile
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from msearch_client._errors import LocalError

ROW, LABEL, STATUS, PREVIEW = "row", "label", "status", "preview"
ASKED, SKIPPED, NO_CLASS = "asked", "skipped", "no-class"
_FORMATS = (".csv", ".json", ".parquet")


@dataclass(slots=True)
class LabelEntry:
    """A row of the file. `label` is None where it is not filled in; `others` are columns that are not ours."""

    row: int
    label: str | None = None
    status: str = ""
    preview: str = ""
    others: dict[str, Any] = field(default_factory=dict)


def check_format(path: Path) -> None:
    """Checks the file's ending.

    Raises:
        LocalError: it is another than .csv, .json or .parquet.
    """
    if path.suffix.lower() not in _FORMATS:
        raise LocalError(f"{path} must end in .csv, .json or .parquet, so that its format is known")


def read_label_file(path: Path) -> list[LabelEntry]:
    """The entries of a file, in its order.

    Raises:
        LocalError: the file cannot be read, lacks the columns, or names a row twice.
    """
    check_format(path)
    try:
        found = _read(path)
    except (OSError, UnicodeDecodeError, ValueError, pa.ArrowException, csv.Error) as error:
        raise LocalError(f"cannot read the labels in {path}: {error}") from None
    entries = [_entry(path, place, values) for place, values in enumerate(found, 1)]
    seen: dict[int, LabelEntry] = {}
    for entry in entries:
        other = seen.setdefault(entry.row, entry)
        if other is not entry and other.label != entry.label:
            raise LocalError(
                f"{path} labels row {entry.row} twice, as {other.label!r} and as {entry.label!r}: keep one of them"
            )
    return list(seen.values())


def write_label_file(path: Path, entries: Sequence[LabelEntry]) -> None:
    """Writes all entries; the file appears whole or not at all.

    Raises:
        LocalError: it cannot be written.
    """
    check_format(path)
    values = [
        {ROW: e.row, LABEL: e.label, STATUS: e.status, PREVIEW: e.preview} | e.others
        for e in sorted(entries, key=lambda e: e.row)
    ]
    try:
        handle, scratch = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(_encode(path.suffix.lower(), values))
            Path(scratch).replace(path)
        except BaseException:
            Path(scratch).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise LocalError(f"cannot write the labels to {path}: {error.strerror or error}") from None


def _read(path: Path) -> list[dict[str, Any]]:
    kind = path.suffix.lower()
    if kind == ".parquet":
        table = pq.read_table(path)
        _check_columns(path, table.column_names)
        return list(table.to_pylist())
    text = path.read_text(encoding="utf-8-sig")
    if kind == ".csv":
        reader = csv.DictReader(io.StringIO(text))
        # Also where no row follows: a file that is not ours is never written over.
        _check_columns(path, reader.fieldnames or (ROW, LABEL))
        return list(reader)
    found = json.loads(text)
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise ValueError('it must be a list of objects such as {"row": 17, "label": "cat"}')
    return found


def _encode(kind: str, values: list[dict[str, Any]]) -> bytes:
    names = list(dict.fromkeys([ROW, LABEL, STATUS, PREVIEW, *(name for item in values for name in item)]))
    if kind == ".parquet":
        sink = pa.BufferOutputStream()
        types = {ROW: pa.int64(), LABEL: pa.string(), STATUS: pa.string(), PREVIEW: pa.string()}
        columns = {name: pa.array([item.get(name) for item in values], types.get(name)) for name in names}
        pq.write_table(pa.table(columns), sink)
        return bytes(sink.getvalue().to_pybytes())
    if kind == ".json":
        return (json.dumps(values, indent=1, ensure_ascii=False) + "\n").encode()
    stream = io.StringIO()
    writer = csv.DictWriter(stream, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(values)
    return stream.getvalue().encode()


def _check_columns(path: Path, names: Collection[str]) -> None:
    if ROW not in names or LABEL not in names:
        named = ", ".join(str(name) for name in names) or "none"
        raise LocalError(f"{path} needs the columns `row` and `label`; it has {named}")


def _entry(path: Path, place: int, values: dict[str, Any]) -> LabelEntry:
    _check_columns(path, values)
    try:
        row = int(_label_text(values[ROW]) or "")
    except ValueError:
        raise LocalError(f"{path}, entry {place}: {values[ROW]!r} is no row number; rows count from 0") from None
    return LabelEntry(
        row=row,
        label=_label_text(values[LABEL]),
        status=str(values.get(STATUS) or ""),
        preview=str(values.get(PREVIEW) or ""),
        others={str(k): v for k, v in values.items() if k not in (ROW, LABEL, STATUS, PREVIEW)},
    )


def _label_text(value: Any) -> str | None:
    """A class's name; whole numbers and booleans as data sets write them."""
    if value is None:
        return None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip() or None

"""JSON lines: one object a line, plain or compressed by suffix."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.json as pj

from msearch_sketch.errors import DatasetError
from msearch_sketch.readers.base import TEXT_BLOCK_BYTES, cast_batch, explain_read_errors

_ROW = re.compile(r"in row (\d+)")
_CHANGED = re.compile(r"Column\(/(.*?)\) changed from (\w+) to (\w+)")
_NO_OBJECT = re.compile(r"Column\(\) changed from object to (\w+)")
_UNLIKE = re.compile(r"Failed to convert JSON to (.*?), couldn't parse:(.*)")


class JsonLinesSource:
    """A file of JSON objects. Types are those of the first mebibyte; a key that a line lacks is missing."""

    row_count: int | None = None

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self._path = path
        self.size_bytes: int | None = path.stat().st_size
        with (
            self._explain_errors(rows_before=lambda: 0),
            self._open(pj.ParseOptions(newlines_in_values=True)) as reader,
        ):
            self.schema: pa.Schema = reader.schema

    def _open(self, options: pj.ParseOptions) -> pj.JSONStreamingReader:
        read_options = pj.ReadOptions(use_threads=False, block_size=TEXT_BLOCK_BYTES)
        return pj.open_json(self._path, read_options=read_options, parse_options=options)

    def read(self, schema: pa.Schema, rows: int) -> Iterator[pa.RecordBatch]:  # noqa: ARG002  blocks are of bytes
        """See `Source.read`."""
        options = pj.ParseOptions(
            explicit_schema=_with_plain_lists(schema), unexpected_field_behavior="ignore", newlines_in_values=True
        )
        rows_read = 0
        with self._explain_errors(lambda: rows_read), self._open(options) as reader:
            for batch in reader:
                rows_read += batch.num_rows
                yield cast_batch(batch, schema, self.name)

    @contextmanager
    def _explain_errors(self, rows_before: Callable[[], int]) -> Iterator[None]:
        try:
            with explain_read_errors(self.name):
                yield
        except DatasetError as error:
            raise self._explain(str(error), rows_before()) from None

    def _explain(self, message: str, rows_before: int) -> DatasetError:
        """Arrow counts rows from zero within a block; people count lines from one within a file."""
        row = _ROW.search(message)
        where = f"in line {rows_before + int(row[1]) + 1}" if row else f"after line {rows_before}"
        whole = _NO_OBJECT.search(message)
        changed, unlike = _CHANGED.search(message), _UNLIKE.search(message)
        if whole:
            return DatasetError(f"{self.name}: expected one JSON object a line, found {whole[1]} {where}")
        if changed:
            reason = f"column {changed[1]!r} has mixed types: {changed[2]} became {changed[3]} {where}"
        elif unlike:
            reason = f"a column has mixed types: {unlike[2]!r} is no {unlike[1]} {where}"
        elif "JSON parse error" in message:
            return DatasetError(
                f"{self.name}: not a JSON object {where}: {_ROW.sub('', message.split(': ', 2)[-1]).strip(' .')}"
            )
        else:
            return DatasetError(message)
        return DatasetError(f"{self.name}: {reason}; correct that line, or leave the column out with --ignore")


def _with_plain_lists(schema: pa.Schema) -> pa.Schema:
    """The parser knows no fixed-size lists; the cast afterwards checks their length."""
    return pa.schema(
        [
            (field.name, pa.list_(field.type.value_type) if pa.types.is_fixed_size_list(field.type) else field.type)
            for field in schema
        ]
    )
